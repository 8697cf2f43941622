//! The head of an image. The builder marks it and writes into it where the reserved space of the image begins.

/// Where the reserved space begins in this image. 0 in a program that is not the head of an image.
#[unsafe(link_section = ".fim_reserved_offset")]
#[used]
static RESERVED_OFFSET: [u8; 8] = [0; 8];

fn main() {
    // SAFETY: reads a static of this program; volatile, because the builder changes it after the compiler has seen 0.
    let offset = u64::from_le_bytes(unsafe { std::ptr::read_volatile(&raw const RESERVED_OFFSET) });
    if offset == 0 {
        console::complain!("C::this program is the head of an image, and there is no image behind it");
        std::process::exit(fim::failure::EXIT_CODE);
    }
    fim::launcher::run(offset)
}
