//! Why it is fast: the machine code of a disabled call site and of an increment, as it stands in this program.

use ferrometer::Counter;
use std::process::Command;

/// Function whose assembly is shown: the call site alone.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn ferrometer_shown_increment(counter: &Counter) {
    counter.increment();
}

pub fn section() -> String {
    let show: extern "C" fn(&Counter) = ferrometer_shown_increment;
    std::hint::black_box(show);
    let bench = std::env::current_exe().expect("this program");
    let args = ["-d", "--no-show-raw-insn", "--no-addresses", "-C", "--disassemble=ferrometer_shown_increment"];
    let output = Command::new("objdump").args(args).arg(bench).output();
    let Ok(output) = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()) else { return String::new() };
    let code: Vec<&str> = output
        .lines()
        .skip_while(|l| !l.contains("ferrometer_shown_increment>:"))
        .skip(1)
        .take_while(|l| !l.trim().is_empty())
        .map(str::trim_end)
        .collect();
    if code.is_empty() {
        return String::new();
    }
    format!(
        "## Why it is fast\n\n{WHY}\n\n`counter.increment()` on a stored handle, in a function of its own. While nothing is recorded, what is executed is the loads of the switch, the test and the branch; the pushes and pops around them are those of this function, made for its cold path, and are there only where the call is not inlined into a larger one:\n\n```text\n{}\n```\n",
        code.join("\n")
    )
}

const WHY: &str = "- Off is one relaxed load and a branch that is always predicted. Nothing is evaluated behind it.
- On, each thread owns its cells: load, add, store, without a `lock` prefix and without a cache line that two cores write. The collector sums over threads.
- Call sites and handles remember their series; the series says which cell of the thread's slab is its own.
- A thread has its timers' cells at hand: one load finds the cell, which holds sum, maximum and buckets side by side ([ADR 15](adr/0015-cells-at-hand-and-one-countdown-for-each-rate.md)).
- Labels that are literals in the call, or of types with a few values, are found by number, and no text is read ([ADR 18](adr/0018-labels-by-number-and-by-text.md)).
- Whether a timer is sampled is decided before the clock is read.";
