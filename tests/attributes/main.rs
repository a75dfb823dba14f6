//! `#[timer]`, `#[counter]` and `#[gauge]` on functions that are not async: what they record, and what they leave alone.

#[path = "../support/capture.rs"]
mod support;

mod endings;
mod labels;
mod loggers;
mod names;
mod order;
mod shapes;
mod stacking;

use std::cell::Cell;
use std::pin::Pin;
use std::time::Duration;

use ferrometer::{Logger, counter, gauge, get_logger, logger, timer};
use support::{capture, off, panics};

static METRICS: Logger = logger!();
