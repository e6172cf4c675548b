//! `cargo local package`.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use crate::{
    Settings,
    bundle::{self, Architecture},
    functions,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The processor that the packages are for [default: this machine's].
    #[arg(long)]
    architecture: Option<Architecture>,
    /// The folder that the bundle is put in [default: target/bundles].
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// The folder of packages that `cargo lambda build --release --output-format zip` made, which is target/lambda; else
    /// the functions are built for this machine, as the local cloud runs them.
    #[arg(long, value_name = "FOLDER")]
    built: Option<PathBuf>,
}

pub(super) async fn run(settings: &Settings, arguments: Arguments) -> anyhow::Result<()> {
    let architecture = arguments.architecture.unwrap_or(Architecture::host());
    let out = arguments.out.unwrap_or_else(|| settings.target.join("bundles"));
    let packages = match arguments.built {
        Some(built) => built,
        None if architecture != Architecture::host() => bail!(
            "this machine builds for {}: build with `cargo lambda build --release --output-format zip` for \
             {architecture}, and add --built target/lambda",
            Architecture::host()
        ),
        None => {
            functions::build(settings).await?;
            functions::pack(settings)?;
            functions::packages(settings)
        }
    };
    let archive = bundle::make(settings, architecture, &packages, &out)?;
    println!("{}", archive.display());
    Ok(())
}
