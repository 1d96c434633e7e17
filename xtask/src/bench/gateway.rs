//! `cargo xtask bench gateway`: Kubemate as a gateway beside other gateways, in front of an upstream that is never the limit.
//!
//! All run at once on 127.0.0.1 and are measured in turn, round after round: what the machine does meanwhile meets all of
//! them. The upstream, the load and the reading of /proc are the example `gateway_rig` of the crate `tests`.

mod figures;
mod peers;
mod probes;
mod rig;
mod server;
mod soak;
mod table;
mod targets;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, bail};
use clap::Args;

use crate::{compile, host, places, steps::short};
use figures::Figures;
use peers::{Kind, Workshop};
use probes::{Pace, Probe, RPS_32};
use rig::Rig;
use server::Server;

/// What this benchmark is called on the command line and in docs/bench.
pub(super) const NAME: &str = "gateway";

#[derive(Debug, Args)]
pub(crate) struct GatewayArgs {
    /// gateway: fewer and shorter rounds, under two minutes; nothing is kept
    #[arg(long)]
    quick: bool,
    /// gateway: only these of direct, nginx, kubemate, smg, vllm-router, litellm; nothing is kept
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,
    /// gateway: measure this server instead of building one; nothing is kept
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// gateway: load Kubemate alone for so many minutes instead, and say whether it grows
    #[arg(long, value_name = "MINUTES")]
    soak: Option<u32>,
}

impl GatewayArgs {
    /// Whether the server has to be built first.
    pub(super) fn builds(&self) -> bool {
        self.binary.is_none()
    }

    /// Figures of a part, or in haste, do not replace those of the whole.
    fn is_whole(&self) -> bool {
        !self.quick && self.only.is_empty() && self.binary.is_none()
    }

    fn chosen(&self) -> anyhow::Result<Vec<Kind>> {
        if let Some(unknown) = self.only.iter().find(|name| !Kind::ALL.iter().any(|kind| kind.name() == *name)) {
            let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            bail!("nothing to measure is called `{unknown}`; there are: {}", names.join(", "));
        }
        let named = |kind: &&Kind| self.only.is_empty() || self.only.iter().any(|name| kind.name() == name);
        Ok(Kind::ALL.iter().filter(named).copied().collect())
    }
}

/// Starts everything, measures, prints the table and what became of the targets, and keeps a whole run.
pub(super) fn run(root: &Path, args: &GatewayArgs) -> anyhow::Result<()> {
    let kinds = args.chosen()?;
    compile::cargo(root, &["build", "--release", "--workspace", "--example", "gateway_rig"])?;
    let binary = args.binary.clone().map_or_else(places::kubemate, Ok)?;
    let rig = Rig::start(places::release()?.join("examples/gateway_rig"))?;
    let workshop = Workshop::open(root, binary, rig.upstream())?;
    if let Some(minutes) = args.soak {
        return soak::run(&rig, &workshop, minutes);
    }
    for kind in &kinds {
        kind.tools().map_or(Ok(()), |tool| host::ensure(&[tool]))?;
        workshop.install(*kind)?;
    }
    let begun = Instant::now();
    let pace = if args.quick { Pace::quick() } else { Pace::whole() };
    let figures = measure(&rig, &workshop, &kinds, &pace)?;
    println!("      measured in {}\n", short(begun.elapsed()));
    let report = table::Report::new(&figures, &kinds);
    println!("{report}");
    if args.is_whole() { keep(root, &report) } else { Ok(()) }
}

fn measure(rig: &Rig, workshop: &Workshop, kinds: &[Kind], pace: &Pace) -> anyhow::Result<Figures> {
    let mut figures = Figures::default();
    let mut servers: Vec<Server> = Vec::new();
    for kind in kinds {
        println!("      {}: start, memory, streams held", kind.name());
        servers.push(probes::from_cold(rig, workshop, *kind, pace, &mut figures)?);
    }
    for round in 1..=pace.rounds {
        println!("      round {round} of {}", pace.rounds);
        for probe in &pace.probes {
            for server in &servers {
                one(rig, server, *probe, pace, &mut figures)
                    .with_context(|| format!("{}, {probe:?}", server.kind.name()))?;
            }
        }
    }
    Ok(figures)
}

fn one(rig: &Rig, server: &Server, probe: Probe, pace: &Pace, figures: &mut Figures) -> anyhow::Result<()> {
    if !probe.is_for(server.kind) || probe.is_beyond(figures.median(RPS_32, server.kind)) {
        return Ok(());
    }
    figures.add(server.kind, probe.run(rig, server, pace)?);
    if server.kind == Kind::LiteLlm { probes::settle(rig, server) } else { Ok(()) }
}

fn keep(root: &Path, report: &table::Report) -> anyhow::Result<()> {
    let file = root.join("docs/bench").join(format!("{NAME}.json"));
    let text = super::report::on_this_machine(report, root)?;
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    println!("      kept in docs/bench/{NAME}.json");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(only: &[&str]) -> GatewayArgs {
        GatewayArgs { quick: false, only: only.iter().map(ToString::to_string).collect(), binary: None, soak: None }
    }

    #[test]
    fn all_are_measured_unless_some_are_named() {
        assert_eq!(args(&[]).chosen().unwrap(), Kind::ALL);
        assert_eq!(args(&["kubemate", "nginx"]).chosen().unwrap(), [Kind::Nginx, Kind::Kubemate]);
        let error = args(&["ngnix"]).chosen().unwrap_err().to_string();
        assert!(error.contains("`ngnix`") && error.contains("vllm-router"), "{error}");
    }

    #[test]
    fn a_part_is_not_kept() {
        assert!(args(&[]).is_whole() && !args(&["nginx"]).is_whole());
        assert!(!GatewayArgs { quick: true, ..args(&[]) }.is_whole());
    }
}
