//! Functions of the conductor that act on hardware. Each is timed by its outcome, and its errors are counted.

use ferrometer::{Logger, counter, logger, timer};
use std::time::Duration;

static METRICS: Logger = logger!("conductor.driver");

/// Why the hardware did not do as it was told.
#[derive(Debug)]
pub struct Fault(pub String);

/// `conductor.driver.set_power.time` by outcome.
#[timer(METRICS, "set_power.time", outcome)]
#[counter(METRICS, "set_power.errors", on = "err")]
pub async fn set_power(uuid: &str, on: bool) -> Result<(), Fault> {
    tokio::time::sleep(Duration::from_millis(2)).await;
    // This example's hardware does not like to be switched off when its number ends so.
    if !on && uuid.ends_with("dead") { Err(Fault(format!("{uuid} does not answer"))) } else { Ok(()) }
}

/// `conductor.driver.set_boot_device.time` by outcome.
#[timer(METRICS, "set_boot_device.time", outcome)]
#[counter(METRICS, "set_boot_device.errors", on = "err")]
pub async fn set_boot_device(uuid: &str, device: &str) -> Result<(), Fault> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    match device {
        "pxe" | "disk" => Ok(()),
        _ => Err(Fault(format!("{uuid} cannot boot from {device:?}"))),
    }
}
