//! The names in one directory, found whatever their case.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::fold::fold;

/// For how long a directory is taken to be as it was. What others change below is seen after this time; what is changed
/// through the file system itself is seen at once.
const TRUST: Duration = Duration::from_secs(1);

/// When a directory was changed last, as the file system below tells: time of modification and of change.
pub(crate) type Stamp = [i64; 4];

/// The stored names of a directory, by their folded form.
pub(crate) struct Names {
    stored: HashMap<Box<[u8]>, Spelling>,
    count: usize,
    /// Those of all directories together.
    total: Arc<AtomicUsize>,
    stamp: Stamp,
    checked: Instant,
}

/// How the names of one folded form are written.
enum Spelling {
    /// As the folded form itself, which is most common and needs no second copy.
    Folded,
    One(Box<[u8]>),
    /// Several, which only others can have made, sorted by their bytes.
    Several(Vec<Box<[u8]>>),
}

impl Names {
    /// Of a directory that had this stamp before its names were read. `total` counts the names of all directories.
    pub(crate) fn new(stamp: Stamp, total: &Arc<AtomicUsize>) -> Self {
        Self {
            stored: HashMap::new(),
            count: 0,
            total: Arc::clone(total),
            stamp,
            checked: Instant::now(),
        }
    }

    fn grown(&mut self) {
        self.count += 1;
        self.total.fetch_add(1, Ordering::Relaxed);
    }

    fn shrunk(&mut self, names: usize) {
        self.count -= names;
        self.total.fetch_sub(names, Ordering::Relaxed);
    }

    /// Whether the directory was looked at a short time ago.
    pub(crate) fn is_trusted(&self) -> bool {
        self.checked.elapsed() < TRUST
    }

    /// Whether the names are those of a directory with this stamp. If so they are trusted again.
    pub(crate) fn check(&mut self, stamp: Stamp) -> bool {
        let same = self.stamp == stamp;
        if same {
            self.checked = Instant::now();
        }
        same
    }

    /// After a change through us: this is what the directory says now.
    pub(crate) fn restamp(&mut self, stamp: Stamp) {
        self.stamp = stamp;
    }

    /// The stored name that a name means: itself if it is there, else the one that differs only in case, and of several
    /// the one with the smallest bytes.
    pub(crate) fn resolve<'a>(&'a self, name: &'a [u8]) -> Option<&'a [u8]> {
        let folded = fold(name);
        let (key, spelling) = self.stored.get_key_value(folded.as_ref())?;
        Some(match spelling {
            Spelling::Folded => key,
            Spelling::One(stored) => stored,
            Spelling::Several(all) => match all.binary_search_by(|stored| stored.as_ref().cmp(name)) {
                Ok(position) => all.get(position)?,
                Err(_) => all.first()?,
            },
        })
    }

    pub(crate) fn insert(&mut self, name: &[u8]) {
        let folded = fold(name);
        let Some(spelling) = self.stored.get_mut(folded.as_ref()) else {
            let spelling = if folded == name {
                Spelling::Folded
            } else {
                Spelling::One(name.into())
            };
            self.stored.insert(folded.as_ref().into(), spelling);
            return self.grown();
        };
        let mut all = match std::mem::replace(spelling, Spelling::Folded) {
            Spelling::Folded => vec![Box::from(folded.as_ref())],
            Spelling::One(stored) => vec![stored],
            Spelling::Several(all) => all,
        };
        let position = all.binary_search_by(|stored| stored.as_ref().cmp(name));
        if let Err(position) = position {
            all.insert(position, name.into());
        }
        *spelling = Spelling::of(all, &folded);
        if position.is_err() {
            self.grown();
        }
    }

    pub(crate) fn remove(&mut self, name: &[u8]) {
        let folded = fold(name);
        let Some(spelling) = self.stored.get_mut(folded.as_ref()) else {
            return;
        };
        let (is_last, gone) = match spelling {
            Spelling::Folded => (folded == name, usize::from(folded == name)),
            Spelling::One(stored) => (stored.as_ref() == name, usize::from(stored.as_ref() == name)),
            Spelling::Several(all) => {
                let before = all.len();
                all.retain(|stored| stored.as_ref() != name);
                let gone = before - all.len();
                let rest = std::mem::take(all);
                *spelling = Spelling::of(rest, &folded);
                (false, gone)
            }
        };
        if is_last {
            self.stored.remove(folded.as_ref());
        }
        self.shrunk(gone);
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.total.fetch_sub(self.count, Ordering::Relaxed);
    }
}

impl Spelling {
    fn of(mut all: Vec<Box<[u8]>>, folded: &[u8]) -> Self {
        if all.len() != 1 {
            return Self::Several(all);
        }
        match all.pop() {
            Some(only) if only.as_ref() != folded => Self::One(only),
            _ => Self::Folded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Names;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn names(stored: &[&str]) -> Names {
        let mut names = Names::new([0; 4], &Arc::new(AtomicUsize::new(0)));
        stored.iter().for_each(|name| names.insert(name.as_bytes()));
        names
    }

    fn resolve<'a>(names: &'a Names, name: &'a str) -> Option<&'a str> {
        names
            .resolve(name.as_bytes())
            .map(|name| std::str::from_utf8(name).unwrap())
    }

    #[test]
    fn an_exact_name_wins_and_else_the_smallest() {
        let names = names(&["foo", "Foo", "fOO", "bar"]);
        assert_eq!(names.count, 4);
        assert_eq!(resolve(&names, "foo"), Some("foo"));
        assert_eq!(resolve(&names, "fOO"), Some("fOO"));
        assert_eq!(resolve(&names, "FOO"), Some("Foo"));
        assert_eq!(resolve(&names, "BAR"), Some("bar"));
        assert_eq!(resolve(&names, "baz"), None);
    }

    #[test]
    fn what_is_removed_is_gone_and_the_rest_is_found() {
        let mut names = names(&["foo", "Foo", "Bar"]);
        names.remove(b"FOO");
        names.remove(b"bar");
        assert_eq!(names.count, 3, "only stored names are removed");
        names.remove(b"Foo");
        assert_eq!(resolve(&names, "Foo"), Some("foo"));
        names.remove(b"foo");
        assert_eq!(resolve(&names, "Foo"), None);
        names.insert(b"FOO");
        names.insert(b"FOO");
        assert_eq!(resolve(&names, "foo"), Some("FOO"));
        names.remove(b"Bar");
        let total = Arc::clone(&names.total);
        assert_eq!((names.count, total.load(Ordering::Relaxed)), (1, 1));
        drop(names);
        assert_eq!(total.load(Ordering::Relaxed), 0);
    }
}
