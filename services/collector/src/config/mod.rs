//! Configuration: `cloudkitty.conf` and `metrics.yml` as CloudKitty has them, or the same keys in TOML.

mod archive;
mod definitions;
mod ini;
mod reader;
mod sections;
mod servers;
pub(crate) mod settings;
mod toml;
mod tree;
mod yaml;

#[cfg(feature = "command")]
pub(crate) use sections::check_processors;
pub use settings::{Archive, Boundaries, ByOrder, Config, Fetcher, Format, Options, Server};

use crate::error::{ConfigError, Problem, Problems};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use tree::{MAX_BYTES, Node, SyntaxError};

impl Config {
    /// Reads `cloudkitty.conf`, or a `.toml` file with the same keys, and the definitions it names in `collect.metrics_conf`.
    ///
    /// `metrics` takes the place of `collect.metrics_conf`. A relative path in a file is relative to the file. A TOML file may hold the
    /// definitions itself, below `[metrics]`.
    ///
    /// # Errors
    /// A file that cannot be read, or all problems of the file, each with line and key.
    pub fn load(path: &Path, metrics: Option<&Path>) -> Result<Config, ConfigError> {
        Config::assembled(path, metrics, &file)
    }

    /// Reads texts, as [`load`](Config::load) reads files of these names.
    ///
    /// # Errors
    /// All problems of the texts, each with line and key.
    ///
    /// ```
    /// use ferrometer_collector::Config;
    ///
    /// let conf = "[collector_prometheus]\nprometheus_url = http://127.0.0.1:9090/api/v1\n";
    /// let config = Config::from_texts(("cloudkitty.conf", conf), ("metrics.yml", "metrics: {cpu: {unit: core}}"))?;
    /// assert_eq!(config.definitions[0].unit, "core");
    /// # Ok::<(), ferrometer_collector::ConfigError>(())
    /// ```
    pub fn from_texts(conf: (&str, &str), metrics: (&str, &str)) -> Result<Config, ConfigError> {
        let text = |path: &Path| tree_of(path, if path == Path::new(conf.0) { conf.1 } else { metrics.1 });
        Config::assembled(Path::new(conf.0), Some(Path::new(metrics.0)), &text)
    }

    /// Reads `path`, and the definitions from `metrics`, or from where it says; `read` makes a tree of a file.
    fn assembled(
        path: &Path,
        metrics: Option<&Path>,
        read: &dyn Fn(&Path) -> Result<Node, ConfigError>,
    ) -> Result<Config, ConfigError> {
        let root = read(path)?;
        let mut problems = Problems::new(path);
        let mut sections = sections::read(&root, &mut problems);
        let folder = path.parent().unwrap_or(Path::new(""));
        sections.config.resolve(folder);
        let mut found = problems.into_found();
        let inside = path.extension().is_some_and(|e| e == "toml") && has_metrics(&root);
        let metrics = match metrics {
            Some(metrics) => metrics.to_owned(),
            None if inside && !sections.names_metrics => path.to_owned(),
            None => folder.join(&sections.metrics_conf),
        };
        let definitions = match if metrics == *path { Ok(root) } else { read(&metrics) } {
            Ok(root) => {
                let mut problems = Problems::new(&metrics);
                let (key, skip) = (&sections.config.scope_key, sections.skip.as_ref());
                let definitions = definitions::read(&root, key, skip, &mut problems);
                found.extend(problems.into_found());
                definitions
            }
            Err(ConfigError::Invalid(more)) => {
                found.extend(more);
                Vec::new()
            }
            Err(error) if found.is_empty() => return Err(error),
            Err(_) => Vec::new(),
        };
        if !found.is_empty() {
            return Err(ConfigError::Invalid(found));
        }
        Ok(Config { definitions, ..sections.config })
    }

    /// Makes relative paths relative to the folder of the file that names them.
    fn resolve(&mut self, folder: &Path) {
        let fetcher = match &mut self.fetcher {
            Some(Fetcher::Prometheus { server, .. }) => Some(&mut **server),
            _ => None,
        };
        let archive = self.options.archive.as_mut().map(|a| &mut a.server);
        let servers = [Some(&mut self.server), fetcher, archive].into_iter().flatten();
        let files =
            servers.flat_map(|s| [&mut s.bearer_token_file, &mut s.cafile, &mut s.client_cert, &mut s.client_key]);
        let own = [&mut self.options.state, &mut self.options.output, &mut self.options.leases_cafile];
        for file in files.chain(own).flatten() {
            if *file != Path::new("-") {
                *file = folder.join(&*file);
            }
        }
    }
}

fn has_metrics(root: &Node) -> bool {
    matches!(&root.value, tree::Value::Map(entries) if entries.iter().any(|e| e.key == "metrics"))
}

fn file(path: &Path) -> Result<Node, ConfigError> {
    let text = text_of(path).map_err(|cause| ConfigError::Read { path: path.to_owned(), cause })?;
    tree_of(path, &text)
}

/// Makes a tree of a text, in the form that the name of its file says.
fn tree_of(path: &Path, text: &str) -> Result<Node, ConfigError> {
    let tree = match path.extension().and_then(|e| e.to_str()) {
        Some("toml") => toml::parse(text),
        Some("yml" | "yaml" | "json") => yaml::parse(text),
        _ => ini::parse(text),
    };
    tree.map_err(|SyntaxError { line, message }| {
        ConfigError::Invalid(vec![Problem {
            file: path.to_owned(),
            line,
            key: String::new(),
            message: crate::error::clean(&message),
        }])
    })
}

fn text_of(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is longer than {MAX_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|e| {
        let line = 1 + e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
        io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is no UTF-8"))
    })
}
