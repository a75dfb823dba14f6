//! What a caller may see: privileges on paths, as Proxmox VE and Proxmox Backup Server give them.
//!
//! A privilege on a path holds on everything below it. A token without a list reads everything on the routes of this project and
//! has no privilege on those of Proxmox; with a list, it may do what the list says and nothing else, on every route.

use std::fmt;
use std::sync::Arc;

const MAX_GRANTS: usize = 64;
const MAX_PATH_BYTES: usize = 256;

/// What can be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Privilege {
    /// Seeing what concerns a system.
    SysAudit,
    /// Seeing what concerns a datastore.
    DatastoreAudit,
}

impl Privilege {
    const ALL: [Privilege; 2] = [Privilege::SysAudit, Privilege::DatastoreAudit];

    fn as_str(self) -> &'static str {
        match self {
            Privilege::SysAudit => "Sys.Audit",
            Privilege::DatastoreAudit => "Datastore.Audit",
        }
    }
}

/// One privilege on a path and all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    privilege: Privilege,
    /// Without the slash at its end, so the root is empty.
    path: String,
}

/// What a caller may see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Rights {
    /// There are no tokens: everything.
    #[default]
    All,
    /// A token without a list.
    Reader,
    /// What is listed.
    Listed(Arc<[Grant]>),
}

impl Rights {
    /// Whether the caller has a privilege on a path.
    pub(super) fn has(&self, privilege: Privilege, path: &str) -> bool {
        let covers = |grant: &Grant| {
            let rest = path.strip_prefix(grant.path.as_str());
            grant.privilege == privilege && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match self {
            Rights::All => true,
            Rights::Reader => false,
            Rights::Listed(grants) => grants.iter().any(covers),
        }
    }

    /// Whether the routes that show everything are open to the caller.
    pub(super) fn reads_everything(&self) -> bool {
        matches!(self, Rights::Reader) || self.has(Privilege::SysAudit, "/")
    }
}

/// Reads what stands behind a token: `;privilege@path`, any number of times. The messages show nothing of it: what stands there by mistake
/// may be secret.
pub(super) fn parse(list: &str) -> Result<Rights, String> {
    let mut grants = Vec::new();
    for (at, text) in list.split(';').filter(|text| !text.is_empty()).enumerate() {
        let wrong = |why: &str| format!("privilege {} {why}; expected {}", at + 1, Expected);
        let (name, path) = text.split_once('@').ok_or_else(|| wrong("is not of the form privilege@path"))?;
        let privilege = Privilege::ALL.into_iter().find(|known| known.as_str() == name);
        let privilege = privilege.ok_or_else(|| wrong("has a name that is not known"))?;
        let letter = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let is_part = |part: &str| !part.is_empty() && part.bytes().all(letter);
        let parts = path.strip_prefix('/').ok_or_else(|| wrong("has a path that does not begin with /"))?;
        if path.len() > MAX_PATH_BYTES || !(parts.is_empty() || parts.split('/').all(is_part)) {
            return Err(wrong("has a path that is not parts of [A-Za-z0-9._-] joined with /, at most 256 bytes"));
        }
        if grants.len() == MAX_GRANTS {
            return Err(format!("there are more than {MAX_GRANTS} privileges"));
        }
        grants.push(Grant { privilege, path: path.trim_end_matches('/').to_owned() });
    }
    Ok(Rights::Listed(grants.into()))
}

struct Expected;

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "Sys.Audit@<path> or Datastore.Audit@<path>, such as Sys.Audit@/ or Datastore.Audit@/datastore/store1",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_privilege_holds_on_its_path_and_below() {
        let rights = parse("Sys.Audit@/system;Datastore.Audit@/datastore/a").unwrap();
        for (privilege, path, expected) in [
            (Privilege::SysAudit, "/system", true),
            (Privilege::SysAudit, "/system/status", true),
            (Privilege::SysAudit, "/systems", false),
            (Privilege::SysAudit, "/", false),
            (Privilege::SysAudit, "/datastore/a", false),
            (Privilege::DatastoreAudit, "/datastore/a", true),
            (Privilege::DatastoreAudit, "/datastore/a/s3", true),
            (Privilege::DatastoreAudit, "/datastore/ab", false),
            (Privilege::DatastoreAudit, "/datastore", false),
        ] {
            assert_eq!(rights.has(privilege, path), expected, "{privilege:?} {path}");
        }
        let root = parse("Sys.Audit@/").unwrap();
        assert!(root.has(Privilege::SysAudit, "/") && root.has(Privilege::SysAudit, "/system/status"));
        assert!(!root.has(Privilege::DatastoreAudit, "/datastore/a"));
        assert!(root.reads_everything() && Rights::Reader.reads_everything() && Rights::All.reads_everything());
        assert!(!rights.reads_everything() && !parse("").unwrap().reads_everything());
        assert!(!Rights::Reader.has(Privilege::SysAudit, "/"));
    }

    #[test]
    fn mistakes_are_told_without_what_was_found() {
        for (text, why) in [
            ("hunter2", "privilege 1 is not of the form privilege@path"),
            ("Sys.Audit@/;sys.audit@/", "privilege 2 has a name that is not known"),
            ("Sys.Audit@x", "privilege 1 has a path that does not begin with /"),
            ("Sys.Audit@//", "privilege 1 has a path that is not parts"),
            ("Sys.Audit@/a b", "privilege 1 has a path that is not parts"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(why) && !error.contains("hunter2"), "{error}");
        }
        assert!(parse(&"Sys.Audit@/;".repeat(65)).unwrap_err().contains("more than 64"));
    }
}
