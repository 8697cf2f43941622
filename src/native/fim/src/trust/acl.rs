//! POSIX access control lists, as the kernel stores them in `system.posix_acl_access`.

/// An entry that lets somebody write, besides the owner and "other": a user, a group, or the directory's own group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Writer {
    User(u32),
    Group(u32),
    OwningGroup,
}

const VERSION: u32 = 2;
const WRITE: u16 = 2;
const USER: u16 = 0x02;
const GROUP_OBJECT: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;

/// Who may write by an access list. `None` where the bytes are not one.
pub fn writers(bytes: &[u8]) -> Option<Vec<Writer>> {
    let (version, entries) = bytes.split_first_chunk::<4>()?;
    let (entries, rest) = entries.as_chunks::<8>();
    if u32::from_le_bytes(*version) != VERSION || !rest.is_empty() {
        return None;
    }
    let entry = |bytes: &[u8; 8]| {
        let [a, b, c, d, e, f, g, h] = *bytes;
        let (tag, permissions) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
        (tag, permissions, u32::from_le_bytes([e, f, g, h]))
    };
    let entries: Vec<_> = entries.iter().map(entry).collect();
    let mask = entries.iter().find(|(tag, ..)| *tag == MASK);
    if mask.is_some_and(|(_, permissions, _)| permissions & WRITE == 0) {
        return Some(Vec::new());
    }
    let writers = entries.iter().filter(|(_, permissions, _)| permissions & WRITE != 0);
    let writers = writers.filter_map(|(tag, _, id)| match *tag {
        USER => Some(Writer::User(*id)),
        GROUP => Some(Writer::Group(*id)),
        GROUP_OBJECT => Some(Writer::OwningGroup),
        _ => None,
    });
    Some(writers.collect())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// An access list: tag, permissions and id of each entry.
    pub fn list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut bytes = VERSION.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            bytes.extend_from_slice(&tag.to_le_bytes());
            bytes.extend_from_slice(&permissions.to_le_bytes());
            bytes.extend_from_slice(&id.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn writers_are_those_that_the_mask_lets_write() {
        let entries = |mask| {
            list(&[
                (0x01, 7, u32::MAX),
                (USER, 7, 1001),
                (USER, 5, 1002),
                (GROUP_OBJECT, 5, u32::MAX),
                (GROUP, 6, 50),
                (MASK, mask, u32::MAX),
                (0x20, 5, u32::MAX),
            ])
        };
        assert_eq!(writers(&entries(7)), Some(vec![Writer::User(1001), Writer::Group(50)]));
        assert_eq!(writers(&entries(5)), Some(vec![]));
        let plain = list(&[(0x01, 7, 0), (GROUP_OBJECT, 7, 0), (0x20, 5, 0)]);
        assert_eq!(writers(&plain), Some(vec![Writer::OwningGroup]));
    }

    #[test]
    fn what_is_not_a_list_gives_nothing() {
        for bytes in [&[][..], &[2, 0, 0], &[1, 0, 0, 0], &[2, 0, 0, 0, 1]] {
            assert_eq!(writers(bytes), None, "{bytes:?}");
        }
    }
}
