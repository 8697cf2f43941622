//! Which parts of files a start reads.

use std::collections::HashMap;

use crate::hot::{FileRange, PAGE};

/// Parts of files that are remembered; most starts have some hundred.
const MOST: usize = 16_384;

#[derive(Debug, Default)]
pub(super) struct Reads {
    /// The files in the order of their first reads.
    order: Vec<u32>,
    /// Of each file first and last page and one more, in their order, none of which touch.
    files: HashMap<u32, Vec<(u32, u32)>>,
    count: usize,
    read: u64,
    missed: u64,
}

impl Reads {
    pub(super) fn add(&mut self, inode: u32, offset: u64, length: usize, is_hot: bool) {
        let end = offset.saturating_add(length as u64).div_ceil(PAGE);
        let (Ok(start), Ok(end)) = (u32::try_from(offset / PAGE), u32::try_from(end)) else {
            return;
        };
        if start >= end || self.count >= MOST {
            return;
        }
        self.read += length as u64;
        if !is_hot {
            self.missed += length as u64;
        }
        let ranges = self.files.entry(inode).or_insert_with(|| {
            self.order.push(inode);
            Vec::new()
        });
        let first = ranges.partition_point(|range| range.1 < start);
        let last = ranges.partition_point(|range| range.0 <= end);
        let touched = ranges.get(first..last).unwrap_or_default();
        let joined = touched
            .iter()
            .fold((start, end), |all, range| (all.0.min(range.0), all.1.max(range.1)));
        self.count = self.count + 1 - touched.len();
        ranges.splice(first..last, [joined]);
    }

    pub(super) fn ranges(&self) -> Vec<FileRange> {
        let ranges = |inode: &u32| {
            let inode = *inode;
            let ranges = self.files.get(&inode).into_iter().flatten();
            ranges.map(move |&(page, end)| FileRange {
                inode,
                page,
                pages: end - page,
            })
        };
        self.order.iter().flat_map(ranges).collect()
    }

    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.read, self.missed)
    }
}

#[cfg(test)]
mod tests {
    use super::Reads;
    use crate::hot::FileRange;

    #[test]
    fn parts_are_joined_and_files_stay_in_order() {
        let mut reads = Reads::default();
        for (inode, offset, length, is_hot) in [
            (7, 0, 4096, false),
            (3, 40_960, 8192, true),
            (7, 12_288, 1, true),
            (7, 4096, 4096, true),
            (3, 8192, 4096, true),
            (7, 5, 0, false),
        ] {
            reads.add(inode, offset, length, is_hot);
        }
        let range = |inode, page, pages| FileRange { inode, page, pages };
        assert_eq!(
            reads.ranges(),
            [range(7, 0, 2), range(7, 3, 1), range(3, 2, 1), range(3, 10, 2)]
        );
        assert_eq!(reads.bytes(), (4096 + 8192 + 1 + 4096 + 4096, 4096));
        reads.add(7, 0, 1 << 20, false);
        assert_eq!(reads.ranges()[0], range(7, 0, 256));
        assert_eq!(reads.count, 3);
        reads.add(9, u64::MAX - 5, 100, false);
        assert_eq!(reads.ranges().len(), 3);
    }
}
