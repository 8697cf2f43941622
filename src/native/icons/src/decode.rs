//! From the bytes of a PNG or JPEG file to pixels, with bounds on both sides and on the memory in between.

use super::{Failure, Format, Result};
use rgb::{FromSlice, RGBA8};
use std::io::Cursor;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Pixels a side. More than a screen has, and with four bytes for each pixel 64 MiB.
const LARGEST: usize = 4096;
/// What the PNG decoder may take for itself, beside the pixels.
const PNG_MEMORY: usize = 64 << 20;

/// Rows from the top, pixels from the left; the alpha is not multiplied into the colours.
#[derive(Debug)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<RGBA8>,
}

pub fn decode(format: Format, file: &[u8]) -> Result<Picture> {
    let picture = match format {
        Format::Png => decode_png(file),
        Format::Jpeg => decode_jpeg(file),
    }?;
    if picture.pixels.len() != picture.width * picture.height || picture.pixels.is_empty() {
        return Err(Failure("it has not as many pixels as it says".to_string()));
    }
    Ok(picture)
}

fn check_size(width: usize, height: usize) -> Result<()> {
    if width > LARGEST || height > LARGEST {
        return Err(Failure(format!(
            "it is {width}×{height} pixels large; at most {LARGEST}×{LARGEST} are read"
        )));
    }
    Ok(())
}

fn decode_png(file: &[u8]) -> Result<Picture> {
    let limits = png::Limits { bytes: PNG_MEMORY };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(file), limits);
    // Eight bits a channel, palettes resolved, and a channel for transparency.
    decoder.set_transformations(png::Transformations::normalize_to_color8() | png::Transformations::ALPHA);
    let mut reader = decoder.read_info().map_err(Failure::of)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    check_size(width, height)?;
    let size = reader
        .output_buffer_size()
        .ok_or_else(|| Failure("it is too large".to_string()))?;
    let mut bytes = vec![0; size];
    let frame = reader.next_frame(&mut bytes).map_err(Failure::of)?;
    let pixels = match frame.color_type {
        png::ColorType::Rgba => bytes.as_rgba().to_vec(),
        png::ColorType::GrayscaleAlpha => bytes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|&[grey, alpha]| RGBA8::new(grey, grey, grey, alpha))
            .collect(),
        other => return Err(Failure(format!("its colours come out as {other:?}"))),
    };
    Ok(Picture { width, height, pixels })
}

fn decode_jpeg(file: &[u8]) -> Result<Picture> {
    let options = DecoderOptions::default()
        .set_max_width(LARGEST)
        .set_max_height(LARGEST)
        .jpeg_set_out_colorspace(ColorSpace::RGBA);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    let bytes = decoder.decode().map_err(|error| Failure(format!("{error:?}")))?;
    let (width, height) = decoder
        .dimensions()
        .ok_or_else(|| Failure("it does not say how large it is".to_string()))?;
    check_size(width, height)?;
    if decoder.output_colorspace() != Some(ColorSpace::RGBA) {
        return Err(Failure("its colours cannot be read".to_string()));
    }
    Ok(Picture {
        width,
        height,
        pixels: bytes.as_rgba().to_vec(),
    })
}
