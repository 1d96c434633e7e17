//! A report on the terminal.

use std::collections::BTreeMap;

use anyhow::bail;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use kubemate_wire::ollama::Progress;

use super::super::print;

/// A bar a layer; what has no size is a line.
pub(super) struct Bars {
    json: bool,
    all: MultiProgress,
    layers: BTreeMap<String, ProgressBar>,
    last: Progress,
}

impl Bars {
    pub(super) fn new(json: bool) -> Self {
        let target = if json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let all = MultiProgress::with_draw_target(target);
        Self { json, all, layers: BTreeMap::new(), last: Progress::default() }
    }

    /// Shows one line.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn line(&mut self, line: &[u8]) -> anyhow::Result<()> {
        let progress: Progress = serde_json::from_slice(line)?;
        if self.json {
            print::line(&String::from_utf8_lossy(line));
        } else if let (Some(digest), Some(total)) = (&progress.digest, progress.total) {
            let bar = self.layers.entry(digest.clone()).or_insert_with(|| self.all.add(bar(digest, total)));
            bar.set_position(progress.completed.unwrap_or_default());
        } else if progress.error.is_none() && progress.status != self.last.status {
            self.all.suspend(|| print::note(&progress.status));
        }
        self.last = progress;
        Ok(())
    }

    /// The report is over.
    ///
    /// # Errors
    /// When it did not end in success.
    pub(super) fn end(self) -> anyhow::Result<()> {
        self.layers.values().for_each(ProgressBar::finish);
        match self.last {
            Progress { error: Some(words), .. } => bail!("{words}"),
            Progress { status, .. } if status == "success" => Ok(()),
            _ => bail!("the report ended before its end"),
        }
    }
}

fn bar(digest: &str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
        bar.set_style(style);
    }
    // As Ollama shows them: enough of a digest to tell layers apart.
    bar.set_message(digest.trim_start_matches("sha256:").chars().take(12).collect::<String>());
    bar
}
