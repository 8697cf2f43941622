//! Doing something as the user who asked for it, so that what is made belongs to that user.

use fuser::Request;
use nix::unistd::{setfsgid, setfsuid};
use rustix::process::geteuid;
use rustix::thread::{capabilities, set_capabilities};

/// Who asked, by number as in our user namespace.
#[derive(Clone, Copy)]
pub(crate) struct Caller {
    pub uid: u32,
    pub gid: u32,
    /// The thread that asked, as our process namespace numbers it; 0 if it is not seen there.
    pub thread: u32,
}

impl From<&Request> for Caller {
    fn from(request: &Request) -> Self {
        Self {
            uid: request.uid(),
            gid: request.gid(),
            thread: request.pid(),
        }
    }
}

/// While it lives, this thread makes files as the caller. The kernel has checked that the caller may, with all its groups,
/// which are not known here; so the thread keeps its rights.
pub(crate) struct Acting {
    is_changed: bool,
}

impl Caller {
    pub(crate) fn act(self) -> Acting {
        let is_changed = geteuid().is_root() && (self.uid, self.gid) != (0, 0);
        if is_changed {
            let rights = capabilities(None);
            // These concern this thread alone.
            setfsgid(self.gid.into());
            setfsuid(self.uid.into());
            if let Ok(rights) = rights {
                let _ = set_capabilities(None, rights);
            }
        }
        Acting { is_changed }
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        if self.is_changed {
            // Going back to root also gives back what leaving it took.
            setfsuid(0.into());
            setfsgid(0.into());
        }
    }
}
