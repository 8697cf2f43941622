//! New files made of an image that stays as it is: one of its layers alone, and the image with other layers.
//!
//! An image is never shortened in place: the driver of a running instance reads from it at any moment, and would find nothing
//! there. A new file beside it takes its name in one step, and whoever has the old one open keeps it.

use crate::sys;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Error, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

const PIECE: usize = 1 << 20;
/// Set by the host's rules and not by whoever writes a file.
const LABEL: &[u8] = b"security.selinux";

/// Copies a part of the image into a new file, for those who may read and write the image. It is on the disk and was read
/// back when this returns.
pub fn export(image: &File, offset: u64, size: u64, path: &Path) -> io::Result<()> {
    let new = create(path)?;
    append(&new, image, offset, size)?;
    let metadata = image.metadata()?;
    // Only root can give it to the owner of the image; anybody else keeps it.
    let _ = fchown(&new, Some(metadata.uid()), Some(metadata.gid()));
    new.set_permissions(Permissions::from_mode(metadata.mode() & 0o666))?;
    new.sync_all()?;
    compare(image, offset, &new, 0, size)
}

/// Copies the first `end` bytes of the image into a new file, and behind them, if there is one, a layer with its size. Owner,
/// permissions and extended attributes are those of the image. It is on the disk and was read back when this returns.
pub fn rebuild(image: &File, end: u64, layer: Option<&Path>, path: &Path) -> io::Result<()> {
    let new = create(path)?;
    append(&new, image, 0, end)?;
    let layer = layer.map(File::open).transpose()?;
    if let Some(layer) = &layer {
        let size = layer.metadata()?.len();
        (&new).write_all(&size.to_le_bytes())?;
        append(&new, layer, 0, size)?;
    }
    dress(&new, image)?;
    new.sync_all()?;
    compare(image, 0, &new, 0, end)?;
    match &layer {
        Some(layer) => compare(layer, 0, &new, end + 8, layer.metadata()?.len()),
        None => Ok(()),
    }
}

/// Gives the new file the name of the image, which has to be the file that is held.
pub fn replace(image: &File, name: &Path, new: &Path) -> io::Result<()> {
    // Of a link the target is replaced.
    let name = fs::canonicalize(name)?;
    if identity(&fs::symlink_metadata(&name)?) != identity(&image.metadata()?) {
        return Err(Error::other("another file was put in the place of this one"));
    }
    if !fs::symlink_metadata(new)?.is_file() {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "what is to be the image is no file",
        ));
    }
    fs::rename(new, &name)?;
    // The name is there in any case; some file systems cannot make a directory durable.
    if let Some(directory) = name.parent() {
        let _ = File::open(directory).and_then(|directory| directory.sync_all());
    }
    Ok(())
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Copies within the kernel, which shares the blocks where the file system can.
fn append(mut new: &File, mut source: &File, offset: u64, size: u64) -> io::Result<()> {
    source.seek(SeekFrom::Start(offset))?;
    let copied = io::copy(&mut source.take(size), &mut new)?;
    if copied == size {
        Ok(())
    } else {
        Err(ErrorKind::UnexpectedEof.into())
    }
}

/// Fails unless both files have the same bytes in these places.
fn compare(left: &File, left_offset: u64, right: &File, right_offset: u64, size: u64) -> io::Result<()> {
    let mut buffers = (vec![0; PIECE], vec![0; PIECE]);
    let mut done = 0;
    while done < size {
        let length = PIECE.min(usize::try_from(size - done).unwrap_or(PIECE));
        let (Some(one), Some(other)) = (buffers.0.get_mut(..length), buffers.1.get_mut(..length)) else {
            break;
        };
        left.read_exact_at(one, left_offset + done)?;
        right.read_exact_at(other, right_offset + done)?;
        if one != other {
            return Err(Error::other(
                "what was written is not what was read back; the disk may be failing",
            ));
        }
        done += length as u64;
    }
    Ok(())
}

/// Owner, permissions and extended attributes of the image, access lists among them, and no others.
fn dress(new: &File, image: &File) -> io::Result<()> {
    let metadata = image.metadata()?;
    fchown(new, Some(metadata.uid()), Some(metadata.gid())).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => Error::new(
            ErrorKind::PermissionDenied,
            format!(
                "it belongs to user {}, and only that user or root can do this",
                metadata.uid()
            ),
        ),
        _ => error,
    })?;
    new.set_permissions(Permissions::from_mode(metadata.mode() & 0o7777))?;
    let wanted = sys::attributes(image)?;
    let there = sys::attributes(new)?;
    for (name, _) in there
        .iter()
        .filter(|(name, _)| !wanted.iter().any(|(other, _)| name == other))
    {
        let removed = sys::remove_attribute(new, name);
        if name.as_bytes() != LABEL {
            removed?;
        }
    }
    for (name, value) in wanted.iter().filter(|attribute| !there.contains(attribute)) {
        let set = sys::set_attribute(new, name, value);
        if name.as_bytes() != LABEL {
            set?;
        }
    }
    Ok(())
}
