//! Terraform: found or fetched, its provider from the registry or from a mirror on this machine, and its work kept
//! out of the repository.

mod apply;
mod install;
mod mirror;

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::process::Command;

use crate::{Settings, bundle, client, process, state::StateFolder};

/// What of the repository Terraform reads. It works on a copy, so it never writes into the repository.
const READ: [&str; 2] = ["infra", "statemachine"];
/// What an earlier run may have left in the repository, which is not copied.
const LEFT: [&str; 3] = [".terraform", "terraform.tfstate", "terraform.tfstate.backup"];

/// The file of the local cloud's variables.
const VARIABLES: &str = "local.auto.tfvars.json";

/// Terraform, working for one cloud.
#[derive(Clone, Debug)]
pub struct Terraform {
    program: PathBuf,
    /// Where the copy of what it reads is, or the unpacked bundle.
    copy: PathBuf,
    /// The root that it works in.
    root: PathBuf,
    log: PathBuf,
    environment: BTreeMap<OsString, OsString>,
}

impl Terraform {
    /// Finds Terraform (or fetches the pinned release) and decides where its provider comes from.
    ///
    /// # Errors
    ///
    /// When there is no fitting Terraform and it cannot be fetched, or no provider can be had.
    pub async fn prepare(settings: &Settings, endpoint: &str) -> anyhow::Result<Self> {
        let program = install::program(settings).await?;
        let state = StateFolder::new(&settings.state);
        let mut environment: BTreeMap<OsString, OsString> = settings
            .environment
            .iter()
            // A person's own AWS account and Terraform settings have no business here.
            .filter(|(name, _)| {
                let name = name.to_string_lossy();
                !name.starts_with("AWS_") && !name.starts_with("TF_")
            })
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        for (name, value) in client::variables(endpoint) {
            environment.insert(name.into(), value.into());
        }
        environment.insert("TF_IN_AUTOMATION".into(), "1".into());
        environment.insert("TF_INPUT".into(), "0".into());
        environment.insert("CHECKPOINT_DISABLE".into(), "1".into());
        let copy = state.terraform().join("root");
        let root = copy.join("infra");
        environment.insert("TF_DATA_DIR".into(), state.terraform().join("data").into());
        if let Some(folder) = settings.variable("TF_PLUGIN_CACHE_DIR") {
            environment.insert("TF_PLUGIN_CACHE_DIR".into(), folder.clone());
        }
        if let Some(file) = mirror::configuration(settings, &state.terraform()).await? {
            environment.insert("TF_CLI_CONFIG_FILE".into(), file.into());
        }
        Ok(Self { program, copy, root, log: state.log("terraform"), environment })
    }

    /// Another root than Slipway's, for the same cloud.
    #[must_use]
    pub fn of(&self, root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let mut environment = self.environment.clone();
        environment.insert("TF_DATA_DIR".into(), root.join(".terraform").into());
        Self { root, environment, ..self.clone() }
    }

    /// The same without any other program of this machine, so without cargo.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.environment.remove(OsStr::new("PATH"));
        self
    }

    /// Finds Terraform, or fetches the pinned release.
    ///
    /// # Errors
    ///
    /// When there is no fitting one and it cannot be fetched.
    pub async fn find(settings: &Settings) -> anyhow::Result<PathBuf> {
        install::program(settings).await
    }

    /// The configuration file with which Terraform gets its provider on this machine, when it needs one.
    ///
    /// # Errors
    ///
    /// When no provider can be had.
    pub async fn configuration(settings: &Settings) -> anyhow::Result<Option<PathBuf>> {
        // In a folder of its own: a cloud that starts meanwhile writes the same file.
        let folder = StateFolder::new(&settings.state).terraform().join("opinions");
        mirror::configuration(settings, &folder).await
    }

    /// Copies what Terraform reads from the repository, and downloads the provider.
    ///
    /// # Errors
    ///
    /// When a file cannot be copied or `terraform init` fails.
    pub async fn init(&self, settings: &Settings) -> anyhow::Result<()> {
        self.init_with(|root| {
            let _ = fs::remove_dir_all(root);
            READ.iter().try_for_each(|folder| copy(&settings.repository.join(folder), &root.join(folder)))
        })
        .await
    }

    /// Downloads the provider of a root that stands where it is to be applied.
    ///
    /// # Errors
    ///
    /// When `terraform init` fails.
    pub async fn init_here(&self) -> anyhow::Result<()> {
        // A mirror knows other checksums than the registry's lock file.
        if self.environment.contains_key(OsStr::new("TF_CLI_CONFIG_FILE")) {
            let _ = fs::remove_file(self.root.join(".terraform.lock.hcl"));
        }
        self.run(["init", "-no-color"]).await
    }

    /// Unpacks what Terraform reads from a bundle, and downloads the provider.
    ///
    /// # Errors
    ///
    /// When the bundle cannot be unpacked or `terraform init` fails.
    pub async fn init_from_bundle(&self, archive: &Path) -> anyhow::Result<()> {
        self.init_with(|root| bundle::unpack(archive, root)).await
    }

    async fn init_with(&self, lay: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let state = self.root.join("terraform.tfstate");
        let kept = fs::read(&state).ok();
        lay(&self.copy)?;
        if let Some(kept) = kept {
            fs::write(&state, kept)?;
        }
        // The state of a local cloud dies with it: never in the bucket that an AWS account uses.
        fs::write(self.root.join("local_override.tf"), "terraform {\n  backend \"local\" {}\n}\n")?;
        self.init_here().await
    }

    /// Makes the cloud what the configuration says, and shows how far it is.
    ///
    /// # Errors
    ///
    /// When `terraform apply` fails, in its own words.
    pub async fn apply(&self, variables: &Value) -> anyhow::Result<()> {
        self.write_variables(variables)?;
        apply::run(&mut self.command(["apply", "-auto-approve", "-json", "-parallelism=30"]), &self.log).await
    }

    /// Whether the cloud is what the configuration says, that is whether a plan has no changes. Changes are shown.
    ///
    /// # Errors
    ///
    /// When `terraform plan` fails.
    pub async fn is_up_to_date(&self) -> anyhow::Result<bool> {
        let plan = self.command(["plan", "-detailed-exitcode", "-no-color"]).output().await?;
        if plan.status.success() {
            return Ok(true);
        }
        eprintln!("{}{}", String::from_utf8_lossy(&plan.stdout), String::from_utf8_lossy(&plan.stderr));
        match plan.status.code() {
            Some(2) => Ok(false),
            _ => bail!("`terraform plan` failed ({})", plan.status),
        }
    }

    /// The outputs of the root.
    ///
    /// # Errors
    ///
    /// When `terraform output` fails.
    pub async fn outputs(&self) -> anyhow::Result<BTreeMap<String, Value>> {
        let answer = self.command(["output", "-json", "-no-color"]).output().await?;
        let outputs: BTreeMap<String, Value> = serde_json::from_slice(&answer.stdout)
            .context("`terraform output` answered something unexpected")?;
        Ok(outputs.into_iter().map(|(name, output)| (name, output["value"].clone())).collect())
    }

    /// What the root's state holds, with its attributes.
    ///
    /// # Errors
    ///
    /// When `terraform show` fails.
    pub async fn resources(&self) -> anyhow::Result<Vec<Value>> {
        let answer = self.command(["show", "-json", "-no-color"]).output().await?;
        let state: Value = serde_json::from_slice(&answer.stdout)
            .context("`terraform show` answered something unexpected")?;
        let mut modules = vec![&state["values"]["root_module"]];
        let mut resources = Vec::new();
        while let Some(module) = modules.pop() {
            modules.extend(module["child_modules"].as_array().into_iter().flatten());
            resources.extend(module["resources"].as_array().into_iter().flatten().cloned());
        }
        Ok(resources)
    }

    /// Runs Terraform on the copy of the root; its output goes to the cloud's log.
    ///
    /// # Errors
    ///
    /// When Terraform fails; the end of its output is in the error.
    pub async fn run<const N: usize>(&self, arguments: [&str; N]) -> anyhow::Result<()> {
        process::run(&mut self.command(arguments), &self.log).await
    }

    /// The same, but its output is shown.
    ///
    /// # Errors
    ///
    /// When Terraform fails.
    pub async fn show<const N: usize>(&self, arguments: [&str; N]) -> anyhow::Result<()> {
        process::run_shown(&mut self.command(arguments)).await
    }

    /// Runs the configuration's own tests, against no AWS account and no local cloud.
    ///
    /// # Errors
    ///
    /// When one fails.
    pub async fn test(&self) -> anyhow::Result<()> {
        let mut command = self.command(["test", "-no-color"]);
        // Every variable comes from the tests themselves.
        let variables = self.root().join(VARIABLES);
        let kept = fs::read(&variables).ok();
        let _ = fs::remove_file(&variables);
        let outcome = process::run_shown(&mut command).await;
        if let Some(kept) = kept {
            fs::write(variables, kept)?;
        }
        outcome
    }

    /// Why `terraform plan` refuses a copy of this root that somebody changed; nothing where it does not.
    ///
    /// # Errors
    ///
    /// When Terraform cannot be started.
    pub async fn refusal_of(&self, root: &Path) -> anyhow::Result<Option<String>> {
        let mut plan = self.command(["plan", "-refresh=false", "-lock=false", "-no-color"]);
        let plan = plan.current_dir(root).output().await?;
        Ok((!plan.status.success()).then(|| String::from_utf8_lossy(&plan.stderr).into_owned()))
    }

    /// Destroys what the root's state holds.
    ///
    /// # Errors
    ///
    /// When `terraform destroy` fails.
    pub async fn destroy(&self) -> anyhow::Result<()> {
        self.run(["destroy", "-auto-approve", "-no-color", "-parallelism=30"]).await
    }

    /// The root that it works in: a copy, where it is Slipway's.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Terraform's own program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    fn command<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.root()).env_clear().envs(&self.environment);
        command
    }

    fn write_variables(&self, variables: &Value) -> anyhow::Result<()> {
        fs::write(self.root().join(VARIABLES), serde_json::to_vec_pretty(variables)?)?;
        Ok(())
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    let entries = fs::read_dir(from).with_context(|| format!("{} cannot be read", from.display()))?;
    for entry in entries {
        let entry = entry?;
        if LEFT.iter().any(|left| entry.file_name() == *left) {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
