//! Which files have the same content, so that it is stored once.
//!
//! Only files of a size that occurs twice are read for that, by several threads.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::holes::Segment;
use crate::scan::{Kind, Node};
use crate::source::Source;

const CHUNK: usize = 256 << 10;

/// Files with content to store, and which other files share it.
#[derive(Debug, Default)]
pub struct Contents {
    /// Nodes whose content is stored, in the order of the tree. Empty files are among them, each for itself.
    pub unique: Vec<usize>,
    /// Node to the node whose content it shares.
    pub duplicates: HashMap<usize, usize>,
}

/// Compares all regular files of a tree.
pub fn find(nodes: &[Node], source: &Source, threads: usize) -> Result<Contents, Error> {
    let files = || {
        nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| matches!(node.kind, Kind::File))
    };
    let mut sizes: HashMap<u64, u32> = HashMap::new();
    for (_, node) in files() {
        *sizes.entry(node.size).or_default() += 1;
    }
    let candidates: Vec<_> = files()
        .filter(|(_, node)| node.size > 0 && sizes[&node.size] > 1)
        .map(|(number, _)| number)
        .collect();
    let hashes = hash_all(nodes, &candidates, source, threads)?;
    let mut contents = Contents::default();
    let mut first: HashMap<(u64, [u8; 32]), usize> = HashMap::new();
    for (number, node) in files() {
        let Some(hash) = hashes.get(&number) else {
            contents.unique.push(number);
            continue;
        };
        let original = *first.entry((node.size, *hash)).or_insert(number);
        if original == number {
            contents.unique.push(number);
        } else {
            contents.duplicates.insert(number, original);
        }
    }
    Ok(contents)
}

fn hash_all(
    nodes: &[Node],
    candidates: &[usize],
    source: &Source,
    threads: usize,
) -> Result<HashMap<usize, [u8; 32]>, Error> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(HashMap::with_capacity(candidates.len()));
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(candidates.len()) {
            scope.spawn(|| {
                let mut buffer = vec![0; CHUNK];
                while let Some(&number) = candidates.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match hash(source, number, &nodes[number], &mut buffer) {
                        Ok(hash) => drop(lock(&results).insert(number, hash)),
                        Err(error) => {
                            lock(&failure).get_or_insert(error);
                            next.store(candidates.len(), Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    match failure.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        Some(error) => Err(error),
        None => Ok(results.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn hash(source: &Source, number: usize, node: &Node, buffer: &mut [u8]) -> Result<[u8; 32], Error> {
    let mut content = source.open(number, node)?;
    let failed = |cause| Error::io(&source.path(node), "read the file")(cause);
    let mut hash = Sha256::new();
    // Files that are alike but for their holes count as different.
    while let Some(segment) = content.next_segment(node.size).map_err(failed)? {
        let (is_hole, length) = match segment {
            Segment::Data(length) => (0, length),
            Segment::Hole(length) => (1, length),
        };
        hash.update([is_hole]);
        hash.update(length.to_le_bytes());
        loop {
            match content.read(buffer) {
                Ok(0) => break,
                Ok(length) => hash.update(&buffer[..length]),
                Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => {}
                // It has become shorter, which is said when it is packed.
                Err(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => break,
                Err(cause) => return Err(failed(cause)),
            }
        }
    }
    Ok(hash.finalize().into())
}
