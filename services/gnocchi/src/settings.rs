//! Settings of the API.

/// How a request tells who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// The user name of HTTP basic authentication. Passwords are not looked at, as Gnocchi does not: it names users, and keeps nobody
    /// out.
    #[default]
    Basic,
    /// The header `Remote-User` or `X-Remote-User`, set by a proxy that lets nobody else set it.
    RemoteUser,
    /// A token of the [frame](ferrometer_http::Frame::tokens), as a bearer or as the password of basic authentication beside its name as the user.
    /// The token's name is the user's; a token without a list of privileges may read, one with a list what the list says:
    /// `Archive.Read`, `Archive.Write` for metrics, resources and measures, `Archive.Admin` for everything and everybody's. Each holds on a path, `/`
    /// or the first part behind `/v1`: `Archive.Write@/batch`.
    Tokens,
}

/// Settings of the API.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The path that everything is below: empty, or `/gnocchi`.
    pub prefix: String,
    /// Most rows of a list.
    pub max_limit: usize,
    /// How a request tells who asks.
    pub auth: Auth,
    /// Origins whose pages may ask.
    pub cors: Vec<String>,
    /// Most bytes of a body; it is whole in memory. See [`max_bodies_bytes`](ferrometer_http::Limits::max_bodies_bytes) for all of them together.
    pub max_body: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { prefix: String::new(), max_limit: 1000, auth: Auth::Basic, cors: Vec::new(), max_body: 64 << 20 }
    }
}
