//! `[ferrometer_archive]`: the archive that takes data points as measures.

use super::reader::Reader;
use super::servers::{ARCHIVE, server};
use super::settings::Archive;
use super::tree::{Entry, entries};
use crate::error::{Problems, clean};
use crate::secret::Secret;

/// Reads the section, where it is there.
pub(super) fn read(sections: &[Entry], problems: &mut Problems) -> Option<Archive> {
    let line = sections.iter().find(|s| s.key == "ferrometer_archive")?.line;
    let mut reader = Reader::new("ferrometer_archive", entries(sections, "ferrometer_archive", problems));
    let server = server(&mut reader, &ARCHIVE, None, problems);
    if server.is_none() && reader.line(ARCHIVE.url) == 0 {
        let message = "is missing: expected the address of the archive, such as http://127.0.0.1:8041";
        problems.push(line, "ferrometer_archive.url", message);
    }
    let policy = reader.option("policy", problems);
    let resource_type = reader.option("resource_type", problems).unwrap_or_else(|| "ferrometer_usage".into());
    let fits = |name: &str| name.len() <= 255 && !name.contains(['/', '\0']);
    for (key, name) in [("policy", policy.as_deref()), ("resource_type", Some(&*resource_type))] {
        if let Some(name) = name.filter(|name| !fits(name)) {
            let message = format!("found \"{}\", expected at most 255 bytes without a slash", clean(name));
            problems.push(reader.line(key), reader.path(key), message);
        }
    }
    reader.finish(true, problems);
    let mut server = server?;
    // Gnocchi's basic authentication names a user, and asks for no password.
    if server.user.is_some() && server.password.is_none() {
        server.password = Some(Secret::new(""));
    }
    Some(Archive { server, policy, resource_type })
}
