//! Files of a configuration in a folder of their own, read as the command reads them.

use crate::support::Folder;
use ferrometer_collector::Config;

/// Definitions in which nothing is wrong.
pub const GOOD: &str = "metrics: {m: {unit: x}}";
/// A section in which nothing is wrong.
pub const SERVER: &str = "[collector_prometheus]\nprometheus_url = http://h/api/v1\n";

/// Returns a folder that holds the files.
pub fn folder_of(name: &str, files: &[(&str, &str)]) -> Folder {
    let folder = Folder::new(&format!("config-{name}"));
    for (file, text) in files {
        folder.write(file, text);
    }
    folder
}

/// Reads a configuration. A message names a file as it was given; the folder is left out of it.
pub fn load(folder: &Folder, file: &str) -> Result<Config, String> {
    let prefix = format!("{}/", folder.0.display());
    Config::load(&folder.0.join(file), None).map_err(|e| e.to_string().replace(&prefix, ""))
}
