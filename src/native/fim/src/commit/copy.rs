//! Files of the upper directory that cannot be linked, because they belong to somebody else: root has used the data directory too.

use crate::fail;
use crate::failure::{Context, Result};
use crate::sys;
use reach::reach;
use rustix::process::geteuid;
use std::collections::HashMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const PIECE: u64 = 1 << 20;

/// The copies of a commit: names of one file stay names of one file.
#[derive(Default)]
pub struct Copies(HashMap<(u64, u64), PathBuf>);

impl Copies {
    /// Makes a copy in the place of a link. The owner is lost, which only root could keep.
    pub fn make(&mut self, source: &Path, target: &Path, metadata: &Metadata) -> Result<()> {
        let failed = || format!("cannot copy '{}'", source.display());
        if metadata.nlink() > 1 {
            if let Some(first) = self.0.get(&(metadata.dev(), metadata.ino())) {
                let link = || fs::hard_link(reach(first)?, reach(target)?);
                return link().context(failed);
            }
            self.0.insert((metadata.dev(), metadata.ino()), target.to_path_buf());
        }
        let reached = (reach(source).context(failed)?, reach(target).context(failed)?);
        let (source, target): (&Path, &Path) = (&reached.0, &reached.1);
        let kind = metadata.file_type();
        if kind.is_symlink() {
            let to = fs::read_link(source).context(failed)?;
            std::os::unix::fs::symlink(to, target).context(failed)?;
            return sys::set_times(target, metadata).context(failed);
        }
        if kind.is_file() {
            content(source, target, metadata)?;
        } else if kind.is_fifo() || kind.is_socket() {
            sys::make_node(target, metadata.mode() & libc::S_IFMT, 0).context(failed)?;
        } else {
            fail!(
                "'{}' is a device of another user, and only root can make one; commit as root, or remove it there",
                source.display()
            )
        }
        fs::set_permissions(target, fs::Permissions::from_mode(metadata.mode() & 0o7777)).context(failed)?;
        sys::set_times(target, metadata).context(failed)
    }
}

/// Why something of another user cannot be read, with what to do.
pub fn refused<T>(path: &Path, metadata: &Metadata, error: &std::io::Error) -> Result<T> {
    if metadata.uid() == geteuid().as_raw() {
        fail!(
            "'{}' cannot be read, not even by its owner; allow that in the guest (chmod u+r), then commit",
            path.display()
        )
    }
    if geteuid().as_raw() == 0 {
        fail!("'{}' cannot be read: {error}", path.display())
    }
    fail!(
        "'{}' belongs to user {} and cannot be read: {error}; as root run: chown -R {} '{}'",
        path.display(),
        metadata.uid(),
        geteuid().as_raw(),
        path.display()
    )
}

fn content(source: &Path, target: &Path, metadata: &Metadata) -> Result<()> {
    let failed = || format!("cannot copy '{}'", source.display());
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    let from = match options.open(source) {
        Ok(from) => from,
        Err(error) => return refused(source, metadata, &error),
    };
    let to = File::create_new(target).context(failed)?;
    let size = metadata.len();
    let mut buffer = vec![0; usize::try_from(PIECE.min(size)).unwrap_or_default()];
    let mut offset = 0;
    while offset < size {
        // Holes stay holes.
        let Some(data) = sys::next_data(&from, offset).context(failed)? else {
            break;
        };
        let wanted = usize::try_from(size.saturating_sub(data))
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = from
            .read_at(buffer.get_mut(..wanted).unwrap_or_default(), data)
            .context(failed)?;
        if read == 0 {
            break;
        }
        to.write_all_at(buffer.get(..read).unwrap_or_default(), data)
            .context(failed)?;
        offset = data + read as u64;
    }
    to.set_len(size).context(failed)
}
