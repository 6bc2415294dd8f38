// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which route or directory a path belongs to. Each method has its own tree, so that `GET /items/{id}` and
//! `POST /items/new` do not hide each other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderValue, Method};
use matchit::Router;

use crate::client;
use crate::events::Events;
use crate::message::Content;
use crate::paths::{escape, unescape};

/// What a route asks for, where it differs from the server.
#[derive(Clone, Debug)]
pub struct RouteOptions {
    /// Bytes of the body.
    pub max_body: Option<usize>,
    /// From sending the request to Lua until 504.
    pub deadline: Option<Duration>,
    /// Does it need the token, if the server has one?
    pub token: bool,
    /// The one content type taken; `Raw` takes any.
    pub content: Option<Content>,
    /// The path speaks WebSocket. Its method is GET.
    pub websocket: Option<WebSocketOptions>,
}

/// How a path speaks WebSocket.
#[derive(Clone, Debug, Default)]
pub struct WebSocketOptions {
    /// Messages that do not decode by it close the socket with 1007.
    pub codec: Option<Content>,
    /// Subprotocols that are taken, beside `moonport`.
    pub protocols: Vec<String>,
}

impl Default for RouteOptions {
    fn default() -> Self {
        Self { max_body: None, deadline: None, token: true, content: None, websocket: None }
    }
}

/// What a path of server-sent events asks for.
#[derive(Clone, Debug)]
pub struct EventsOptions {
    /// Does it need the token, if the server has one?
    pub token: bool,
    /// Events kept for pages that connect again and say which one they saw last.
    pub history: usize,
}

impl Default for EventsOptions {
    fn default() -> Self {
        Self { token: true, history: 0 }
    }
}

/// Why a route was not added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// Not a method that a route can serve.
    #[error("expected a method such as \"GET\", got {0:?}")]
    Method(String),
    /// Not a path, or its parameters are not well formed.
    #[error("expected a path like \"/items/{{id}}\" or \"/files/{{*rest}}\", got {0:?}")]
    Path(String),
    /// Another route of that method serves the same paths.
    #[error("{method} {path} is already routed")]
    Exists {
        /// The method.
        method: String,
        /// The path.
        path: String,
    },
    /// Not a directory that can be read.
    #[error("cannot serve {directory:?}: {source}")]
    Directory {
        /// The directory as given.
        directory: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// All routes and directories of a server. Belongs to the process that made it.
#[derive(Clone, Debug)]
pub struct Routes {
    routes: Vec<Route>,
    trees: Vec<(Method, Router<usize>)>,
    /// The longest prefix first.
    directories: Vec<Directory>,
    fork: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) options: RouteOptions,
    /// The server answers by itself with these.
    pub(crate) events: Option<Events>,
    /// Or with this.
    pub(crate) client: Option<&'static client::File>,
    names: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Directory {
    /// Without a slash at its end; empty for the root.
    prefix: String,
    pub(crate) root: PathBuf,
}

/// What a method and a path lead to.
pub(crate) enum Found<'a, 'p> {
    Route {
        index: usize,
        route: &'a Route,
        params: Vec<(String, String)>,
    },
    /// A directory, and the encoded path below it, which is empty or starts with a slash.
    Directory {
        directory: &'a Directory,
        rest: &'p str,
    },
    /// The path exists, the method does not.
    Method,
    Nothing,
}

impl Default for Routes {
    fn default() -> Self {
        Self { routes: Vec::new(), trees: Vec::new(), directories: Vec::new(), fork: moonport_core::fork::generation() }
    }
}

impl Routes {
    /// Adds a route and gives its number: 0, 1, 2 in the order of adding.
    ///
    /// A path is literal but for `{name}`, one segment or a part of it, and a last `{*name}`, all that follows.
    ///
    /// # Errors
    /// [`RouteError`] says which argument is wrong.
    pub fn add(&mut self, method: &str, path: &str, options: RouteOptions) -> Result<usize, RouteError> {
        let bad_method = || RouteError::Method(method.to_owned());
        let name = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).map_err(|_| bad_method())?;
        if name == Method::CONNECT {
            return Err(bad_method());
        }
        let (pattern, names) = pattern(path).ok_or_else(|| RouteError::Path(path.to_owned()))?;
        let index = self.routes.len();
        let tree = match self.trees.iter().position(|(known, _)| *known == name) {
            Some(at) => at,
            None => {
                self.trees.push((name.clone(), Router::new()));
                self.trees.len() - 1
            }
        };
        self.trees[tree].1.insert(pattern, index).map_err(|error| match error {
            matchit::InsertError::Conflict { .. } => {
                RouteError::Exists { method: name.to_string(), path: path.to_owned() }
            }
            _ => RouteError::Path(path.to_owned()),
        })?;
        self.routes.push(Route { options, events: None, client: None, names });
        Ok(index)
    }

    /// Serves events to pages that GET this path. It takes a number like every route, and the owner gets no requests.
    ///
    /// # Errors
    /// As [`Routes::add`].
    pub fn add_events(&mut self, path: &str, options: EventsOptions) -> Result<Events, RouteError> {
        let EventsOptions { token, history } = options;
        let index = self.add("GET", path, RouteOptions { token, ..RouteOptions::default() })?;
        let events = Events::new(history);
        self.routes[index].events = Some(events.clone());
        Ok(events)
    }

    /// Serves the client for pages, which is no secret.
    ///
    /// # Errors
    /// One of its paths is routed already.
    pub(crate) fn add_client(&mut self) -> Result<(), RouteError> {
        for file in &client::FILES {
            let index = self.add("GET", file.path, RouteOptions { token: false, ..RouteOptions::default() })?;
            self.routes[index].client = Some(file);
        }
        Ok(())
    }

    /// Serves the files of `directory` below `prefix`. Routes win, then the longest prefix.
    ///
    /// # Errors
    /// [`RouteError`]: the prefix does not start with a slash, or the directory cannot be read.
    pub fn add_static(&mut self, prefix: &str, directory: &Path) -> Result<(), RouteError> {
        if !prefix.starts_with('/') {
            return Err(RouteError::Path(prefix.to_owned()));
        }
        let failed = |source| RouteError::Directory { directory: directory.to_owned(), source };
        let root = directory.canonicalize().map_err(failed)?;
        root.read_dir().map_err(failed)?;
        let prefix = escape(prefix.trim_end_matches('/'));
        let at = self.directories.iter().position(|known| known.prefix.len() <= prefix.len());
        let at = at.unwrap_or(self.directories.len());
        self.directories.insert(at, Directory { prefix, root });
        Ok(())
    }

    pub(crate) fn is_forked(&self) -> bool {
        self.fork != moonport_core::fork::generation()
    }

    /// `path` as [`crate::paths::normalize`] gives it.
    pub(crate) fn find<'a, 'p>(&'a self, method: &Method, path: &'p str) -> Found<'a, 'p> {
        if let Some(found) = self.find_route(method, path) {
            return found;
        }
        let from_get = if *method == Method::HEAD { self.find_route(&Method::GET, path) } else { None };
        if let Some(found) = from_get {
            return found;
        }
        if self.trees.iter().any(|(_, tree)| tree.at(path).is_ok()) {
            return Found::Method;
        }
        let Some((directory, rest)) = self.find_directory(path) else { return Found::Nothing };
        if *method == Method::GET || *method == Method::HEAD {
            Found::Directory { directory, rest }
        } else {
            Found::Method
        }
    }

    fn find_route<'a>(&'a self, method: &Method, path: &str) -> Option<Found<'a, 'static>> {
        let (_, tree) = self.trees.iter().find(|(known, _)| known == method)?;
        let found = tree.at(path).ok()?;
        let index = *found.value;
        let route = self.routes.get(index)?;
        let values = found.params.iter().map(|(_, value)| unescape(value));
        let params = route.names.iter().cloned().zip(values).collect();
        Some(Found::Route { index, route, params })
    }

    fn find_directory<'p>(&self, path: &'p str) -> Option<(&Directory, &'p str)> {
        self.directories.iter().find_map(|directory| {
            let rest = path.strip_prefix(directory.prefix.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then_some((directory, rest))
        })
    }

    /// The methods of a path for Allow; `*` asks for those of all paths.
    pub(crate) fn allow(&self, path: &str) -> HeaderValue {
        let mut allow = String::new();
        let mut get = false;
        let mut head = false;
        for (method, tree) in &self.trees {
            if path == "*" || tree.at(path).is_ok() {
                get |= *method == Method::GET;
                head |= *method == Method::HEAD;
                if *method != Method::OPTIONS {
                    push(&mut allow, method.as_str());
                }
            }
        }
        let no_route = allow.is_empty();
        if (no_route && self.find_directory(path).is_some()) || (path == "*" && !self.directories.is_empty() && !get) {
            push(&mut allow, "GET");
            get = true;
        }
        if get && !head {
            push(&mut allow, "HEAD");
        }
        push(&mut allow, "OPTIONS");
        HeaderValue::try_from(allow).unwrap_or(HeaderValue::from_static("OPTIONS"))
    }
}

fn push(list: &mut String, item: &str) {
    if !list.is_empty() {
        list.push_str(", ");
    }
    list.push_str(item);
}

/// The path for matchit, whose parameters are numbered here: two methods may name theirs as they like.
fn pattern(path: &str) -> Option<(String, Vec<String>)> {
    if !path.starts_with('/') {
        return None;
    }
    let mut pattern = String::with_capacity(path.len());
    let mut names = Vec::new();
    let mut rest = path;
    while let Some(at) = rest.find(['{', '}']) {
        pattern.push_str(&escape(&rest[..at]));
        if rest[at..].starts_with("{{") || rest[at..].starts_with("}}") {
            pattern.push_str(&rest[at..at + 2]);
            rest = &rest[at + 2..];
            continue;
        }
        let (inside, after) = rest[at..].strip_prefix('{')?.split_once('}')?;
        let (star, name) = inside.strip_prefix('*').map_or(("", inside), |name| ("*", name));
        if name.is_empty() || name.contains(['{', '/', '*']) || names.iter().any(|known| known == name) {
            return None;
        }
        pattern.push_str(&format!("{{{star}{}}}", names.len()));
        names.push(name.to_owned());
        rest = after;
    }
    pattern.push_str(&escape(rest));
    Some((pattern, names))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::normalize;

    fn routes(list: &[(&str, &str)]) -> Routes {
        let mut routes = Routes::default();
        for (index, (method, path)) in list.iter().enumerate() {
            assert_eq!(routes.add(method, path, RouteOptions::default()).unwrap(), index);
        }
        routes
    }

    #[track_caller]
    fn route(routes: &Routes, method: &str, path: &str) -> (usize, Vec<(String, String)>) {
        let path = normalize(path).unwrap();
        match routes.find(&method.parse().unwrap(), &path) {
            Found::Route { index, params, .. } => (index, params),
            _ => unreachable!("{method} {path} finds no route"),
        }
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn routes_are_found() {
        let routes = routes(&[
            ("get", "/"),
            ("GET", "/items/{id}"),
            ("POST", "/items/new"),
            ("DELETE", "/items/{name}"),
            ("GET", "/files/{*rest}"),
            ("GET", "/100%/{{x}}"),
            ("GET", "/grün"),
            ("GET", "/a/{x}/b/{y}"),
        ]);
        assert_eq!(route(&routes, "GET", "/"), (0, vec![]));
        assert_eq!(route(&routes, "HEAD", "/"), (0, vec![]));
        assert_eq!(route(&routes, "GET", "/items/new"), (1, vec![pair("id", "new")]));
        assert_eq!(route(&routes, "POST", "/items/new").0, 2);
        assert_eq!(route(&routes, "DELETE", "/items/7"), (3, vec![pair("name", "7")]));
        assert_eq!(route(&routes, "GET", "/files/a/b"), (4, vec![pair("rest", "a/b")]));
        assert_eq!(route(&routes, "GET", "/items/a%2Fb%252F"), (1, vec![pair("id", "a/b%2F")]));
        assert_eq!(route(&routes, "GET", "/100%25/{x}").0, 5);
        assert_eq!(route(&routes, "GET", "/gr%C3%BCn").0, 6);
        assert_eq!(route(&routes, "GET", "/a/1/b/2"), (7, vec![pair("x", "1"), pair("y", "2")]));
        assert!(matches!(routes.find(&Method::GET, "/nothing"), Found::Nothing));
        assert!(matches!(routes.find(&Method::PUT, "/items/7"), Found::Method));
        assert_eq!(routes.allow("/items/new"), "GET, POST, DELETE, HEAD, OPTIONS");
        assert_eq!(routes.allow("/items/7"), "GET, DELETE, HEAD, OPTIONS");
    }

    #[test]
    fn bad_routes_are_refused() {
        let mut routes = routes(&[("GET", "/a/{x}")]);
        let mut add = |method: &str, path: &str| routes.add(method, path, RouteOptions::default()).unwrap_err();
        assert!(matches!(add("GET", "/a/{y}"), RouteError::Exists { .. }));
        assert!(matches!(add("G T", "/"), RouteError::Method(_)));
        assert!(matches!(add("", "/"), RouteError::Method(_)));
        assert!(matches!(add("CONNECT", "/"), RouteError::Method(_)));
        for path in ["", "a", "/{", "/}", "/{}", "/{*}", "/{*a}/b", "/{a}-{b}", "/{a}/{a}", "/{a{b}}"] {
            assert!(matches!(add("GET", path), RouteError::Path(_)), "{path}");
        }
        assert!(add("GET", "x").to_string().contains("\"/items/{id}\""));
    }

    #[test]
    fn the_longest_directory_wins() {
        let mut routes = routes(&[("POST", "/api")]);
        let here = Path::new(".");
        for prefix in ["/", "/a/b", "/a/"] {
            routes.add_static(prefix, here).unwrap();
        }
        let below = |path| match routes.find(&Method::GET, path) {
            Found::Directory { directory, rest } => Some((directory.prefix.as_str(), rest)),
            _ => None,
        };
        assert_eq!(below("/a/b/c"), Some(("/a/b", "/c")));
        assert_eq!(below("/a/b"), Some(("/a/b", "")));
        assert_eq!(below("/a/bc"), Some(("/a", "/bc")));
        assert_eq!(below("/"), Some(("", "/")));
        assert!(matches!(routes.find(&Method::GET, "/api"), Found::Method));
        assert!(matches!(routes.find(&Method::POST, "/a"), Found::Method));
        assert_eq!(routes.allow("/a"), "GET, HEAD, OPTIONS");
        assert!(matches!(routes.add_static("/x", Path::new("/no/such")), Err(RouteError::Directory { .. })));
    }
}
