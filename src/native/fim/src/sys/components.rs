//! What is left of a path that is looked up one component at a time, by whoever must look at each.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{Error, Result};
use std::path::{Component, Path};

/// As the kernel.
const MOST_LINKS: u32 = 40;
/// Longer paths than the kernel takes.
const MOST_COMPONENTS: usize = 4096;

/// The components that are still to be looked up; a link puts those of its target in front of them.
pub struct Components {
    left: VecDeque<OsString>,
    links: u32,
}

impl Components {
    /// Fails with `ENAMETOOLONG` for a path that the kernel would not take.
    pub fn of(path: &Path) -> Result<Components> {
        let mut components = Components {
            left: VecDeque::new(),
            links: 0,
        };
        components.push(path)?;
        Ok(components)
    }

    /// A name, `..`, or `/` for the root.
    pub fn next(&mut self) -> Option<OsString> {
        self.left.pop_front()
    }

    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Goes on with the target of a link. Fails with `ELOOP` after as many links as the kernel follows.
    pub fn follow(&mut self, target: &Path) -> Result<()> {
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(Error::from_raw_os_error(libc::ELOOP));
        }
        self.push(target)
    }

    fn push(&mut self, path: &Path) -> Result<()> {
        let components: Vec<_> = path.components().collect();
        if self.left.len() + components.len() > MOST_COMPONENTS {
            return Err(Error::from_raw_os_error(libc::ENAMETOOLONG));
        }
        for component in components.into_iter().rev() {
            if component != Component::CurDir {
                self.left.push_front(component.as_os_str().to_os_string());
            }
        }
        Ok(())
    }
}
