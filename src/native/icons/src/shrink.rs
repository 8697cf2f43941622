//! From a picture to an icon: a square of a size in which the whole picture has place, in the middle.

use super::decode::Picture;
use super::{Failure, Result};
use resize::Pixel::RGBA8P;
use resize::Type::Lanczos3;
use rgb::{ComponentBytes, RGBA8};

/// The longer side as long as that of the icon, the other in proportion, what is left transparent.
pub fn shrink(picture: &Picture, size: usize) -> Result<Vec<RGBA8>> {
    let longer = picture.width.max(picture.height);
    let fit = |side: usize| ((side * size + longer / 2) / longer).max(1);
    let (width, height) = (fit(picture.width), fit(picture.height));
    let mut inner = vec![RGBA8::default(); width * height];
    // Multiplied with the alpha while it is resized, so that no colour of transparent pixels bleeds into the edges.
    resize::new(picture.width, picture.height, width, height, RGBA8P, Lanczos3)
        .and_then(|mut resizer| resizer.resize(&picture.pixels, &mut inner))
        .map_err(Failure::of)?;
    let mut icon = vec![RGBA8::default(); size * size];
    let (left, top) = ((size - width) / 2, (size - height) / 2);
    for (row, source) in icon.chunks_exact_mut(size).skip(top).zip(inner.chunks_exact(width)) {
        for (pixel, value) in row.iter_mut().skip(left).zip(source) {
            *pixel = *value;
        }
    }
    Ok(icon)
}

/// The pixels of an icon as a PNG file.
pub fn encode(icon: &[RGBA8], size: usize) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, size as u32, size as u32);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(Failure::of)?;
    writer.write_image_data(icon.as_bytes()).map_err(Failure::of)?;
    writer.finish().map_err(Failure::of)?;
    Ok(file)
}
