//! Newer system calls in a container whose filter does not know them and answers `EPERM`.
//!
//! Our own code takes that for "not there", but programs of others do so for `ENOSYS` only. Worst is `clone3`: the C library makes no
//! thread where it gives `EPERM`, so neither the runtime nor the programs that serve an overlay run. A filter of our own, on top
//! of the container's, gives `ENOSYS` in these cases, for this process and all that it starts: of two filters that both refuse a
//! call, the kernel takes the error of the newer one.

use std::mem::offset_of;

/// As `linux/audit.h` has it: system calls of the other word size have other numbers.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// `fchmodat2`, which the crate does not have for every target. Numbers from 424 on are the same everywhere.
const SYS_FCHMODAT2: libc::c_long = 452;

/// Calls for which programs have something else, with arguments that each kernel refuses before it does anything, and not with
/// `EPERM`: all of them are -1.
const CALLS: [libc::c_long; 9] = [
    libc::SYS_clone3,
    libc::SYS_close_range,
    libc::SYS_epoll_pwait2,
    libc::SYS_faccessat2,
    SYS_FCHMODAT2,
    libc::SYS_openat2,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_statx,
];

/// Has refused calls answered as if the kernel did not have them, if the container's filter refuses `clone3` with `EPERM`. A process
/// without CAP_SYS_ADMIN has to give up for that what set-user-id programs would gain; otherwise nothing changes.
pub fn disown_refused() {
    if !is_refused(libc::SYS_clone3) {
        return;
    }
    let refused = CALLS.into_iter().filter(|call| is_refused(*call));
    let filter = program(refused.map(|call| call as u32));
    let program = libc::sock_fprog {
        len: filter.len() as libc::c_ushort,
        filter: filter.as_ptr().cast_mut(),
    };
    let install = || {
        // SAFETY: the kernel reads a program of the length given, which outlives the calls.
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0 }
    };
    // Where it cannot be, programs fail as they would have.
    let _ = install() || (rustix::thread::set_no_new_privs(true).is_ok() && install());
}

fn is_refused(call: libc::c_long) -> bool {
    error_of(call) == Some(libc::EPERM)
}

/// How a call fails with these arguments; `None` if it does not.
fn error_of(call: libc::c_long) -> Option<i32> {
    // SAFETY: -1 is no descriptor, no address, and no combination of flags that any kernel takes.
    let result = unsafe { libc::syscall(call, -1, -1_isize, -1_isize, -1_isize, -1_isize, -1_isize) };
    (result == -1).then(|| std::io::Error::last_os_error().raw_os_error())?
}

/// A filter that gives `ENOSYS` for these calls and lets all others through.
fn program(calls: impl Iterator<Item = u32>) -> Vec<libc::sock_filter> {
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let equals = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let answer = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut program = vec![
        step(load, 0, 0, offset_of!(libc::seccomp_data, arch) as u32),
        step(equals, 1, 0, ARCHITECTURE),
        step(answer, 0, 0, libc::SECCOMP_RET_ALLOW),
        step(load, 0, 0, offset_of!(libc::seccomp_data, nr) as u32),
    ];
    for call in calls {
        program.push(step(equals, 0, 1, call));
        program.push(step(answer, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32));
    }
    program.push(step(answer, 0, 0, libc::SECCOMP_RET_ALLOW));
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_the_questions_are_refused_by_the_kernel_without_eperm() {
        // Where a filter of this machine refuses one, there is nothing to see.
        for call in CALLS.into_iter().filter(|call| !is_refused(*call)) {
            assert!(error_of(call).is_some(), "system call {call} has done something");
        }
    }
}
