//! The reading on systems other than Linux, through `sysinfo`.

use crate::reading::Reading;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, get_current_pid};

/// Reads the process alone, and of it no names, users or threads.
pub(crate) fn read(system: &mut System) -> Reading {
    let Ok(own) = get_current_pid() else { return Reading::default() };
    let what = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), true, what);
    numbers(system, own).unwrap_or_default()
}

fn numbers(system: &System, own: Pid) -> Option<Reading> {
    let process = system.process(own)?;
    let known = |value: u64| Some(value).filter(|value| *value > 0);
    let count = |value: Option<usize>| value.and_then(|value| u64::try_from(value).ok());
    Some(Reading {
        cpu_micros: Some(process.accumulated_cpu_time().saturating_mul(1000)),
        resident_bytes: known(process.memory()),
        virtual_bytes: known(process.virtual_memory()),
        open_fds: count(process.open_files()),
        max_fds: count(process.open_files_limit()),
        start: known(process.start_time()).map(|seconds| seconds as f64),
        ..Reading::default()
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Two readings of one process agree, but for what happens between them and what each rounds.
    #[test]
    fn it_reads_what_linux_says() {
        let (before, read, after) = (crate::linux::read(), read(&mut System::new()), crate::linux::read());
        let (before_cpu, cpu, after_cpu) =
            (before.cpu_micros.unwrap(), read.cpu_micros.unwrap(), after.cpu_micros.unwrap());
        assert!(cpu + 10_000 >= before_cpu && cpu <= after_cpu + 10_000, "{before:?} {read:?} {after:?}");
        let near = |a: Option<u64>, b: Option<u64>| a.unwrap().abs_diff(b.unwrap()) < 16 << 20;
        assert!(near(read.resident_bytes, after.resident_bytes), "{read:?} {after:?}");
        assert!(
            near(read.virtual_bytes, after.virtual_bytes) || read.virtual_bytes < after.virtual_bytes,
            "{read:?} {after:?}"
        );
        assert!((read.start.unwrap() - after.start.unwrap()).abs() <= 1.0, "{read:?} {after:?}");
        assert_eq!(read.max_fds, after.max_fds);
    }
}
