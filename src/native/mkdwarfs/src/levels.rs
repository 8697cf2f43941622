//! What the levels 0 to 9 stand for.

use dwarfs_enc::section::CompressParam;

pub const DEFAULT: u32 = 7;

/// How blocks are compressed, and how large they are before that: 2 to the power of `block_bits` bytes.
#[derive(Clone, Copy, Debug)]
pub struct Level {
    pub compression: CompressParam,
    pub block_bits: u32,
}

/// The parameters of a level; numbers above 9 are taken as 9.
///
/// Larger blocks are smaller in sum, but all of a block up to the wanted byte is decompressed to read that byte. With blocks
/// of 4 MiB a root tree is 2 to 3 parts in a hundred smaller than with 2 MiB, and `true` starts as early because of what
/// lies first (`order.rs`); above that programs start noticeably later, so only the levels for archives have them. Up to
/// such sizes zstd 22 finds no more than 19 and takes several times as long.
pub fn level(number: u32) -> Level {
    let (zstd, block_bits) = match number {
        0 => {
            return Level {
                compression: CompressParam::None,
                block_bits: 20,
            };
        }
        1 => (1, 20),
        2 => (3, 20),
        3 => (6, 20),
        4 => (9, 20),
        5 => (12, 20),
        6 => (15, 21),
        7 => (19, 22),
        8 => (19, 23),
        _ => (22, 26),
    };
    Level {
        compression: CompressParam::Zstd(zstd),
        block_bits,
    }
}
