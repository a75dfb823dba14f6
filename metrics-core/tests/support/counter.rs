//! A CPU's counter that is wrong: reading it traps, and the handler gives what a test wants. The system's clock, which the kernel maps into the program, gets
//! the true counter, as from another source.

use std::ffi::{c_int, c_void};
use std::mem;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};

/// The counter as a test wants it.
#[derive(Clone, Copy)]
pub enum Counter {
    /// As it is.
    True,
    /// The second CPU is some 10 s ahead of the first, the third of the second.
    Apart,
    /// It runs at half the rate from now on.
    Half,
}

static KIND: AtomicU64 = AtomicU64::new(0);
static BASE: AtomicU64 = AtomicU64::new(0);
static VDSO: AtomicU64 = AtomicU64::new(0);
/// The thread whose reads are counted, and how often it has read the counter itself, not through the system's clock.
static THREAD: AtomicI64 = AtomicI64::new(0);
static READ: AtomicU64 = AtomicU64::new(0);

fn true_counter() -> u64 {
    // SAFETY: allows the instruction, reads the counter, and forbids it again, in this thread alone.
    unsafe {
        libc::prctl(libc::PR_SET_TSC, libc::PR_TSC_ENABLE);
        let ticks = std::arch::x86_64::_rdtsc();
        libc::prctl(libc::PR_SET_TSC, libc::PR_TSC_SIGSEGV);
        ticks
    }
}

unsafe extern "C" fn trapped(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the context is that of the interrupted thread, whose registers this changes as the instruction would have.
    unsafe {
        let registers = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
        let at = registers[libc::REG_RIP as usize] as u64;
        let code = at as *const u8;
        let len = match (*code, *code.add(1), *code.add(2)) {
            (0x0f, 0x31, _) => 2,
            (0x0f, 0x01, 0xf9) => 3,
            _ => libc::_exit(99),
        };
        let ticks = true_counter();
        let vdso = VDSO.load(SeqCst);
        if !(vdso..vdso + 0x4000).contains(&at) && libc::syscall(libc::SYS_gettid) == THREAD.load(SeqCst) {
            READ.fetch_add(1, SeqCst);
        }
        let wanted = match KIND.load(SeqCst) {
            _ if (vdso..vdso + 0x4000).contains(&at) => ticks,
            1 => ticks + libc::sched_getcpu() as u64 * 30_000_000_000,
            2 => BASE.load(SeqCst) + (ticks - BASE.load(SeqCst)) / 2,
            _ => ticks,
        };
        registers[libc::REG_RAX as usize] = (wanted & 0xffff_ffff) as i64;
        registers[libc::REG_RDX as usize] = (wanted >> 32) as i64;
        if len == 3 {
            registers[libc::REG_RCX as usize] = i64::from(libc::sched_getcpu());
        }
        registers[libc::REG_RIP as usize] += len;
    }
}

/// Has the instruction trap in this thread and those that it starts, and be answered as [`set`] said last.
pub fn trap() {
    // SAFETY: the handler changes nothing but what the trapped instruction would.
    unsafe {
        VDSO.store(libc::getauxval(libc::AT_SYSINFO_EHDR), SeqCst);
        THREAD.store(libc::syscall(libc::SYS_gettid), SeqCst);
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = trapped as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
        assert_eq!(libc::sigaction(libc::SIGSEGV, &raw const action, std::ptr::null_mut()), 0);
        assert_eq!(libc::prctl(libc::PR_SET_TSC, libc::PR_TSC_SIGSEGV), 0);
    }
}

/// Returns `true` where the CPU and the kernel say that the counter may be believed: there it is used, once it is measured.
pub fn may_be_believed() -> bool {
    let clocks = |which: &str| {
        std::fs::read_to_string(format!("/sys/devices/system/clocksource/clocksource0/{which}_clocksource"))
            .unwrap_or_default()
    };
    let (current, available) = (clocks("current"), clocks("available"));
    let is_scaled = ["kvm-clock", "hyperv_clocksource_tsc_page"].contains(&current.trim());
    let is_the_kernels = current.trim() == "tsc" || is_scaled && available.split_whitespace().any(|name| name == "tsc");
    let has_one_rate = std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains(" nonstop_tsc"));
    is_the_kernels && has_one_rate
}

/// Waits until `take` reads the counter in the thread that called [`trap`]. Returns at once where that may not be believed.
pub fn wait_until_used(take: impl Fn()) {
    if may_be_believed() {
        ferrometer_testkit::wait_until("the counter to be measured", || {
            let before = READ.load(SeqCst);
            take();
            READ.load(SeqCst) > before
        });
    }
}

/// Says how reads are answered from now on.
pub fn set(counter: Counter) {
    BASE.store(true_counter(), SeqCst);
    KIND.store(counter as u64, SeqCst);
}

/// Has this thread, and those that it starts, run on one CPU. Returns `false` where there is none of this number for it.
pub fn run_on(cpu: usize) -> bool {
    // SAFETY: a set of one CPU, for this thread.
    unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) == 0
    }
}
