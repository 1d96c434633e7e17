//! Where the server will listen and keep its data, found as the server itself finds it.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context;
use toml::Table;

/// The server's own defaults, as docs/CONFIG.md states them.
const LISTEN: &str = "127.0.0.1:8080";
const DATA_DIR: &str = "data";

/// What `up` and `down` must know of the configuration.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The file in use, if any.
    pub(crate) config: Option<PathBuf>,
    /// The address the server will listen on.
    pub(crate) listen: SocketAddr,
    /// The folder of the embedded stores.
    pub(crate) data_dir: PathBuf,
    options: Vec<(&'static str, String)>,
}

impl Settings {
    /// Options on the command line first, then the environment, then the file, then defaults.
    pub(crate) fn read(
        root: &Path,
        config: Option<&Path>,
        data_dir: Option<&Path>,
        port: Option<u16>,
    ) -> anyhow::Result<Self> {
        let config = chosen(root, config)?;
        let table = config.as_deref().map_or_else(|| Ok(Table::new()), parse)?;
        let mut options = Vec::new();
        if let Some(port) = port {
            options.push(("--listen", format!("127.0.0.1:{port}")));
        }
        if let Some(folder) = data_dir {
            let folder = std::path::absolute(folder)?;
            options.push(("--data-dir", folder.to_string_lossy().into_owned()));
        }
        let value = |option: &str, section: &str, key: &str, default: &str| {
            let given = options.iter().find(|(there, _)| *there == option).map(|(_, value)| value.clone());
            let variable = || env::var(format!("KUBEMATE__{section}__{key}").to_uppercase()).ok();
            given.or_else(variable).or_else(|| text(&table, section, key)).unwrap_or(default.to_owned())
        };
        let listen = value("--listen", "server", "listen", LISTEN);
        let listen = listen.parse().with_context(|| format!("`server.listen` is not an address: {listen}"))?;
        let data_dir = root.join(value("--data-dir", "store", "data_dir", DATA_DIR));
        Ok(Self { config, listen, data_dir, options })
    }

    /// What was asked for on the command line, for the server's.
    pub(crate) fn options(&self) -> impl Iterator<Item = &str> {
        self.options.iter().flat_map(|(name, value)| [*name, value.as_str()])
    }

    /// The folder of the embedded stores, made when missing and readable by its owner only: it holds everything
    /// that people upload.
    pub(crate) fn make_data_dir(&self) -> anyhow::Result<&Path> {
        use std::os::unix::fs::DirBuilderExt;
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&self.data_dir).with_context(|| format!("cannot make {}", self.data_dir.display()))?;
        Ok(&self.data_dir)
    }
}

fn chosen(root: &Path, config: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
    if let Some(config) = config {
        return Ok(Some(std::path::absolute(config)?));
    }
    let usual = root.join("kubemate.toml");
    Ok(usual.is_file().then_some(usual))
}

fn parse(config: &Path) -> anyhow::Result<Table> {
    let text = fs::read_to_string(config).with_context(|| format!("cannot read {}", config.display()))?;
    text.parse().with_context(|| format!("cannot parse {}", config.display()))
}

fn text(table: &Table, section: &str, key: &str) -> Option<String> {
    table.get(section)?.get(key)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_with(config: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        if !config.is_empty() {
            fs::write(root.path().join("kubemate.toml"), config).unwrap();
        }
        root
    }

    #[test]
    fn without_a_file_the_server_s_defaults_hold() {
        let root = root_with("");
        let settings = Settings::read(root.path(), None, None, None).unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.data_dir, root.path().join("data"));
        assert_eq!(settings.options().count(), 0);
    }

    #[test]
    fn the_file_is_read_and_the_command_line_wins() {
        let root = root_with("[server]\nlisten = \"127.0.0.1:9000\"\n[store]\ndata_dir = \"./elsewhere\"");
        let settings = Settings::read(root.path(), None, None, None).unwrap();
        assert_eq!(settings.listen.port(), 9000);
        assert!(settings.data_dir.ends_with("elsewhere"));
        let settings = Settings::read(root.path(), None, Some(Path::new("/tmp/d")), Some(9001)).unwrap();
        assert_eq!((settings.listen.port(), settings.data_dir.to_str()), (9001, Some("/tmp/d")));
        let options: Vec<_> = settings.options().collect();
        assert_eq!(options, ["--listen", "127.0.0.1:9001", "--data-dir", "/tmp/d"]);
    }

    #[test]
    fn a_bad_address_is_named() {
        let root = root_with("[server]\nlisten = \"here\"");
        let error = Settings::read(root.path(), None, None, None).unwrap_err();
        assert!(format!("{error:#}").contains("`server.listen` is not an address: here"));
    }
}
