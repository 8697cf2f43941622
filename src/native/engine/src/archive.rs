//! Several named pieces in one run of bytes, in which a piece is found without copying anything.
//!
//! The build script writes it and the program reads it, so nothing but this file knows the layout: the number of members, for
//! each the length of its name, its offset and its size, then the name; all numbers are 32 bits, little-endian. The contents
//! follow in the same order.

const NUMBER: usize = size_of::<u32>();

/// Builds an archive of members, each a name and its content.
#[allow(dead_code, reason = "only the build script and the tests write archives")]
pub fn write(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let number = |value: usize| {
        u32::try_from(value)
            .expect("an archive is smaller than 4 GiB")
            .to_le_bytes()
    };
    let head: usize = members.iter().map(|(name, _)| 3 * NUMBER + name.len()).sum();
    let mut archive = number(members.len()).to_vec();
    let mut offset = NUMBER + head;
    for (name, content) in members {
        for value in [name.len(), offset, content.len()] {
            archive.extend(number(value));
        }
        archive.extend(name.as_bytes());
        offset += content.len();
    }
    for (_, content) in members {
        archive.extend(content);
    }
    archive
}

/// Returns the content of the member `name`, or nothing if the archive has no such member or is damaged.
#[allow(dead_code, reason = "the build script only writes")]
pub fn find<'a>(archive: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let number = |at: usize| {
        let bytes = archive.get(at..at.checked_add(NUMBER)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    };
    let mut at = NUMBER;
    for _ in 0..number(0)? {
        let (length, offset, size) = (number(at)?, number(at + NUMBER)?, number(at + 2 * NUMBER)?);
        at += 3 * NUMBER;
        if archive.get(at..at.checked_add(length)?)? == name.as_bytes() {
            return archive.get(offset..offset.checked_add(size)?);
        }
        at += length;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{find, write};

    #[test]
    fn members_are_found_by_their_whole_name() {
        let members = [("a", "first"), ("ab", ""), ("b", "third")];
        let archive = write(&members.map(|(name, content)| (name.to_string(), content.as_bytes().to_vec())));
        for (name, content) in members {
            assert_eq!(find(&archive, name), Some(content.as_bytes()), "{name}");
        }
        assert_eq!(find(&archive, "abc"), None);
        assert_eq!(find(&archive, ""), None);
    }

    #[test]
    fn a_damaged_archive_has_no_members_and_is_read_without_a_panic() {
        let archive = write(&[("name".to_string(), b"content".to_vec())]);
        for length in 0..archive.len() {
            assert_eq!(find(&archive[..length], "name"), None, "{length}");
        }
        for at in 0..archive.len() {
            let mut damaged = archive.clone();
            damaged[at] = 0xff;
            let _ = find(&damaged, "name");
        }
    }
}
