//! What the levels 0 to 9 stand for.

use std::num::NonZero;

use dwarfs_enc::section::CompressParam;

pub const DEFAULT: u32 = 6;

const MIB: u32 = 1 << 20;
/// Blocks of what is started.
const SMALL: u32 = 512 << 10;

/// How blocks are compressed, and how many bytes they have at most before that.
#[derive(Clone, Copy, Debug)]
pub struct Level {
    pub compression: CompressParam,
    /// Blocks of programs and libraries.
    pub code: u32,
    /// Blocks of all else.
    pub other: u32,
}

impl Level {
    /// Bytes of a block of what is started.
    pub fn first(&self) -> u32 {
        self.code.min(SMALL)
    }

    /// The block size of the image, which the format wants to be a power of two.
    pub fn block_size(&self) -> NonZero<u32> {
        let largest = self.code.max(self.other).next_power_of_two();
        NonZero::new(largest).unwrap_or(NonZero::<u32>::MIN)
    }
}

/// The parameters of a level; numbers above 9 are taken as 9.
///
/// Larger blocks are smaller in sum, but all of a block up to the wanted byte is decompressed to read that byte, and kept. Up to
/// level 6 blocks are as small as starts of real programs want them: `docs/decisions/0025-blocks-for-starts.md` has the figures.
/// Levels 7 to 9 are for who wants a small file and can wait. Programs and libraries gain most from larger blocks
/// (`docs/decisions/0016-code-apart.md`). Up to such sizes zstd 22 finds no more than 19 and takes several times as long.
pub fn level(number: u32) -> Level {
    let (zstd, code, other) = match number {
        0 => {
            return Level {
                compression: CompressParam::None,
                code: SMALL,
                other: SMALL,
            };
        }
        1 => (1, SMALL, SMALL),
        2 => (3, SMALL, SMALL),
        3 => (6, SMALL, SMALL),
        4 => (9, SMALL, SMALL),
        5 => (12, SMALL, SMALL),
        6 => (15, SMALL, SMALL),
        7 => (19, 6 * MIB, 4 * MIB),
        8 => (19, 16 * MIB, 8 * MIB),
        _ => (22, 64 * MIB, 64 * MIB),
    };
    Level {
        compression: CompressParam::Zstd(zstd),
        code,
        other,
    }
}
