//! Doing something as the user who asked for it, so that what is made belongs to that user.

use fuser::Request;

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

const VERSION: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Part {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// While it lives, this thread makes files as the caller. The kernel has checked that the caller may, with all its groups,
/// which are not known here; so the thread keeps its rights.
pub(crate) struct Acting {
    is_changed: bool,
}

impl Caller {
    pub(crate) fn act(self) -> Acting {
        // SAFETY: takes nothing and cannot fail.
        let is_root = unsafe { libc::geteuid() } == 0;
        let is_changed = is_root && (self.uid, self.gid) != (0, 0);
        if is_changed {
            let rights = rights();
            // SAFETY: these take plain numbers and concern this thread alone.
            unsafe {
                libc::syscall(libc::SYS_setfsgid, self.gid);
                libc::syscall(libc::SYS_setfsuid, self.uid);
            }
            if let Some(rights) = rights {
                set_rights(rights);
            }
        }
        Acting { is_changed }
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        if self.is_changed {
            // SAFETY: as above. Going back to root also gives back what leaving it took.
            unsafe {
                libc::syscall(libc::SYS_setfsuid, 0);
                libc::syscall(libc::SYS_setfsgid, 0);
            }
        }
    }
}

fn rights() -> Option<[Part; 2]> {
    let mut header = Header {
        version: VERSION,
        pid: 0,
    };
    let mut parts = [Part::default(); 2];
    // SAFETY: the kernel reads the header and writes two parts, as this version says.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, parts.as_mut_ptr()) };
    (result == 0).then_some(parts)
}

fn set_rights(parts: [Part; 2]) {
    let mut header = Header {
        version: VERSION,
        pid: 0,
    };
    // SAFETY: the kernel reads the header and two parts, as this version says.
    unsafe { libc::syscall(libc::SYS_capset, &raw mut header, parts.as_ptr()) };
}
