//! Who may do what: privileges on paths, the rights of a caller, and the access that a route asks for.
//!
//! A privilege on a path holds on everything below it. A token without a list of privileges reads what is open to readers, and has no
//! privilege; a token with a list may do what the list says and nothing else, on every route.

use axum::http::{HeaderMap, header};
use std::fmt;
use std::sync::Arc;

const MAX_GRANTS: usize = 64;
const MAX_PATH_BYTES: usize = 256;

/// A privilege, such as `Sys.Audit`, declared by the service whose routes ask for it. Two of one name are one.
///
/// ```
/// use ferrometer_http::Privilege;
/// const AUDIT: Privilege = Privilege::new("Sys.Audit");
/// assert_eq!(AUDIT.name(), "Sys.Audit");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Privilege(&'static str);

impl Privilege {
    /// Declares a privilege. Lists of tokens write the name as it is; it should hold letters, digits, dots and hyphens.
    #[must_use]
    pub const fn new(name: &'static str) -> Privilege {
        Privilege(name)
    }

    /// Returns the name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// One privilege on a path and all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    privilege: Privilege,
    /// Without the slash at its end, so the root is empty.
    path: String,
}

/// The rights of a caller. Handlers find them in an `Extension` of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rights {
    /// Everything: the frame has no tokens.
    #[default]
    All,
    /// A token without a list.
    Reader,
    /// A token with a list.
    Listed(Arc<[Grant]>),
}

impl Rights {
    /// Returns `true` when the caller has a privilege on a path.
    #[must_use]
    pub fn has(&self, privilege: Privilege, path: &str) -> bool {
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

    /// Reads the list behind a token: `Sys.Audit@/;Datastore.Audit@/datastore/store1`. `known` are the privileges that there are.
    ///
    /// # Errors
    /// The first mistake, in words that show nothing of the list: what stands there by mistake may be secret.
    pub fn parse(list: &str, known: &[Privilege]) -> Result<Rights, String> {
        let mut grants = Vec::new();
        for (at, text) in list.split(';').filter(|text| !text.is_empty()).enumerate() {
            let wrong = |why: &str| format!("privilege {} {why}; expected {}", at + 1, Expected(known));
            let (name, path) = text.split_once('@').ok_or_else(|| wrong("is not of the form privilege@path"))?;
            let privilege = known.iter().find(|known| known.0 == name);
            let privilege = *privilege.ok_or_else(|| wrong("has a name that is not known"))?;
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
}

/// The name of the token of the caller, as the list of tokens has it. Handlers find it in an `Extension` of the request, unless the frame has no
/// tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerName(pub Arc<str>);

struct Expected<'a>(&'a [Privilege]);

impl fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(|privilege| format!("{}@<path>", privilege.0)).collect();
        match (names.join(" or "), self.0.first()) {
            (all, Some(first)) => write!(f, "{all}, such as {}@/", first.0),
            _ => f.write_str("none, because no service here asks for one"),
        }
    }
}

/// The access that a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// None: not even a token.
    Public,
    /// A token, whatever it may do.
    AnyToken,
    /// A token without a list.
    Unlisted,
    /// A token without a list, or with a privilege on a path.
    Reader(Privilege, &'static str),
    /// A privilege on a path.
    Listed(Privilege, &'static str),
}

impl Access {
    pub(crate) fn is_public(self) -> bool {
        self == Access::Public
    }

    /// The error says what the caller lacks.
    pub(crate) fn check(self, rights: &Rights) -> Result<(), String> {
        let reads = matches!(rights, Rights::All | Rights::Reader);
        match self {
            Access::Public | Access::AnyToken => Ok(()),
            Access::Unlisted | Access::Reader(..) if reads => Ok(()),
            Access::Reader(privilege, path) | Access::Listed(privilege, path) if rights.has(privilege, path) => Ok(()),
            Access::Unlisted => Err("the token has privileges, and this is for tokens without".to_owned()),
            Access::Listed(privilege, path) if *rights == Rights::Reader => {
                Err(format!("the token has no privileges, and {} on {path} is needed", privilege.0))
            }
            Access::Reader(privilege, path) | Access::Listed(privilege, path) => {
                Err(format!("the token has privileges, and {} on {path} is not among them", privilege.0))
            }
        }
    }
}

/// Parts of a request that say who asks.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// The name of the token, where the form of the header has one; a known token of another name is then refused.
    pub id: Option<Vec<u8>>,
    /// The token.
    pub secret: Vec<u8>,
}

impl Credentials {
    /// Creates credentials of a token alone.
    #[must_use]
    pub fn new(secret: impl Into<Vec<u8>>) -> Credentials {
        Credentials { id: None, secret: secret.into() }
    }

    /// Adds the token's name.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<Vec<u8>>) -> Credentials {
        self.id = Some(id.into());
        self
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(not shown)")
    }
}

/// Reads `Authorization: Bearer <token>`; `None` when there is no such line, or more than one line.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<Credentials> {
    let mut lines = headers.get_all(header::AUTHORIZATION).into_iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    let (scheme, rest) = line.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| Credentials::new(rest.trim_ascii()))
}

/// Reads the token in a line of `Authorization`, and the id before it in the forms of Proxmox: `Bearer <token>`,
/// `PVEAPIToken=<user>@<realm>!<id>=<token>`, `PBSAPIToken=<user>@<realm>!<id>:<token>`. For services whose clients are those of Proxmox.
#[must_use]
pub fn api_token(headers: &HeaderMap) -> Option<Credentials> {
    if let Some(found) = bearer(headers) {
        return Some(found);
    }
    let mut lines = headers.get_all(header::AUTHORIZATION).into_iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    let (rest, between) = match line.as_bytes().split_at_checked(12)? {
        (b"PVEAPIToken=", rest) => (rest, b'='),
        (b"PBSAPIToken=" | b"PBSAPIToken ", rest) => (rest, b':'),
        _ => return None,
    };
    let at = rest.iter().position(|b| *b == between)?;
    Some(Credentials::new(&rest[at + 1..]).with_id(&rest[..at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYS: Privilege = Privilege::new("Sys.Audit");
    const STORE: Privilege = Privilege::new("Datastore.Audit");

    fn parse(list: &str) -> Result<Rights, String> {
        Rights::parse(list, &[SYS, STORE])
    }

    #[test]
    fn a_privilege_holds_on_its_path_and_below() {
        let rights = parse("Sys.Audit@/system;Datastore.Audit@/datastore/a").unwrap();
        for (privilege, path, expected) in [
            (SYS, "/system", true),
            (SYS, "/system/status", true),
            (SYS, "/systems", false),
            (SYS, "/", false),
            (SYS, "/datastore/a", false),
            (STORE, "/datastore/a", true),
            (STORE, "/datastore/a/s3", true),
            (STORE, "/datastore/ab", false),
            (STORE, "/datastore", false),
        ] {
            assert_eq!(rights.has(privilege, path), expected, "{privilege:?} {path}");
        }
        let root = parse("Sys.Audit@/").unwrap();
        assert!(root.has(SYS, "/") && root.has(SYS, "/system/status"));
        assert!(!root.has(STORE, "/datastore/a"));
        let reader = |rights: &Rights| Access::Reader(SYS, "/").check(rights).is_ok();
        assert!(reader(&root) && reader(&Rights::Reader) && reader(&Rights::All));
        assert!(!reader(&rights) && !reader(&parse("").unwrap()));
        let strict = |rights: &Rights| Access::Listed(SYS, "/").check(rights).is_ok();
        assert!(strict(&root) && !strict(&Rights::Reader) && strict(&Rights::All) && !strict(&rights));
        let unlisted = |rights: &Rights| Access::Unlisted.check(rights).is_ok();
        assert!(!unlisted(&root) && unlisted(&Rights::Reader) && unlisted(&Rights::All));
        assert!(!Rights::Reader.has(SYS, "/"));
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
