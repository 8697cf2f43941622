//! How much a process yields to others.

/// Runs this process only where nobody else wants the processor or the disk. Where the kernel refuses a part of it the rest still holds.
pub fn yield_to_all() {
    /// Of `linux/ioprio.h`: the idle class, for a process.
    const IDLE: libc::c_long = 3 << 13;
    const PROCESS: libc::c_long = 1;
    // SAFETY: all three take plain numbers and a live structure, and concern the calling process alone.
    unsafe {
        libc::nice(19);
        let none = libc::sched_param { sched_priority: 0 };
        libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const none);
        libc::syscall(libc::SYS_ioprio_set, PROCESS, 0 as libc::c_long, IDLE);
    }
}
