//! What the calls do.

use std::path::Path;

use jiff::SignedDuration;
use occopus::engine::hold::HoldKind;
use occopus::engine::ids::InfraId;
use occopus::engine::plan::Order;
use occopus::engine::record::ScaleChange;
use occopus::{BuildRequest, Error, GraphFormat, HoldRequest, Occopus, Prepared, Replacing, Run, SavedPlan};
use serde_json::{Value, json};

use crate::answers;
use crate::call::{Context, Hold};

pub(crate) async fn define(occopus: &Occopus, path: &Path) -> Result<Value, Error> {
    let (definitions, _) = occopus.define(path).await?;
    Ok(definitions.into_iter().map(|definition| definition.name).collect())
}

/// The plan, with what it changes about the description. It can be saved.
pub(crate) async fn plan(
    occopus: &Occopus,
    request: &BuildRequest,
    save: Option<&Path>,
) -> Result<Value, Error> {
    let prepared = occopus.prepare(request).await?;
    let plan = match save {
        Some(path) => {
            let (saved, plan, _) = occopus.save_plan(&prepared, Order::Parallel).await?;
            saved.write(path).await?;
            plan
        }
        None => occopus.preview(&prepared, Order::Parallel).await?.0,
    };
    let mut answer = json!(plan);
    let changes = if prepared.exists { occopus.changes(&prepared).await? } else { Vec::new() };
    answer["changes"] = json!(changes);
    Ok(answer)
}

pub(crate) async fn build(
    context: &Context<'_>,
    request: &BuildRequest,
    rollback: bool,
    sequential: bool,
) -> Result<Value, Error> {
    let prepared = context.occopus.prepare(request).await?;
    let order = if sequential { Order::Sequential } else { Order::Parallel };
    carry_out(context, prepared, Run { order, ..context.run("build") }, rollback).await
}

pub(crate) async fn build_saved(context: &Context<'_>, plan: &Path, rollback: bool) -> Result<Value, Error> {
    let saved = SavedPlan::read(plan).await?;
    let order = saved.order();
    let (prepared, ..) = context.occopus.prepare_saved(saved).await?;
    carry_out(context, prepared, Run { order, ..context.run("build") }, rollback).await
}

pub(crate) async fn rollback(
    context: &Context<'_>,
    infra: &str,
    generation: u64,
    replacing: Option<Replacing>,
) -> Result<Value, Error> {
    let infra = context.resolve(infra).await?;
    let prepared = context.occopus.prepare_rollback(&infra, generation, replacing.as_ref()).await?;
    carry_out(context, prepared, context.run("rollback"), false).await
}

async fn carry_out(
    context: &Context<'_>,
    prepared: Prepared,
    run: Run,
    rollback: bool,
) -> Result<Value, Error> {
    let _listening = context.ear.listen([prepared.infra_id.clone()]);
    Ok(json!(context.occopus.build(prepared, &run, rollback, &mut |_, _| {}).await?))
}

pub(crate) async fn maintain(context: &Context<'_>, infra: &str) -> Result<Value, Error> {
    let infra = context.resolve(infra).await?;
    let _listening = context.ear.listen([infra.clone()]);
    Ok(json!(context.occopus.maintain(&infra, &context.run("maintain"), &mut |_, _| {}).await?))
}

pub(crate) async fn destroy(context: &Context<'_>, infra: &str) -> Result<Value, Error> {
    let infra = context.resolve(infra).await?;
    let _listening = context.ear.listen([infra.clone()]);
    Ok(json!(context.occopus.destroy(&infra, &context.run("destroy"), &mut |_, _| {}).await?))
}

pub(crate) async fn abandon(context: &Context<'_>, infra: &str) -> Result<Value, Error> {
    let infra = context.resolve(infra).await?;
    let left = context.occopus.abandon(&infra, &context.run("abandon")).await?;
    Ok(left.iter().map(answers::left).collect())
}

/// Registers a request; with `wait`, waits for the maintainer, if one is running.
pub(crate) async fn scale(
    context: &Context<'_>,
    infra: &InfraId,
    node: &str,
    change: ScaleChange,
    wait: bool,
) -> Result<Value, Error> {
    let scaling = context.occopus.scale(infra, node, &[change]).await?;
    let done = wait
        && scaling.maintainer.is_some()
        && context.occopus.await_scaled(infra, node, &context.run("scale")).await?;
    Ok(json!({
        "target": scaling.target, "notes": scaling.notes, "maintainer": scaling.maintainer, "done": done,
    }))
}

pub(crate) async fn replace(
    context: &Context<'_>,
    infra: &str,
    instance: &str,
    wait: bool,
) -> Result<Value, Error> {
    let infra = context.resolve(infra).await?;
    let status = context.occopus.status(&infra).await?;
    let slot = status.instance(instance)?;
    // The node id: should another pass replace it meanwhile, the new one stays.
    let change = ScaleChange::ReplaceInstance(slot.node_id.to_string());
    scale(context, &infra, &slot.slot.node, change, wait).await
}

pub(crate) async fn hold(context: &Context<'_>, infra: &str, hold: Hold) -> Result<Value, Error> {
    let infra = context.resolve(infra).await?;
    let Hold { kind, node, reason, seconds } = hold;
    let duration = seconds.map(duration).transpose()?;
    let command = match kind {
        HoldKind::Pause => "occopus (Python) pause",
        HoldKind::Protect => "occopus (Python) protect",
    };
    let request = HoldRequest { kind, node, reason, duration, command: command.to_owned() };
    Ok(json!(context.occopus.hold(&infra, request).await?))
}

fn duration(seconds: f64) -> Result<SignedDuration, Error> {
    let duration = SignedDuration::try_from_secs_f64(seconds).ok().filter(|lasts| lasts.is_positive());
    duration.ok_or_else(|| Error::Usage(format!("a hold cannot last {seconds} s; leave it out for ever")))
}

pub(crate) async fn lift(
    context: &Context<'_>,
    infra: &str,
    kind: HoldKind,
    node: Option<&str>,
) -> Result<Value, Error> {
    let infra = context.resolve(infra).await?;
    let command = match kind {
        HoldKind::Pause => "occopus (Python) resume",
        HoldKind::Protect => "occopus (Python) unprotect",
    };
    Ok(json!(context.occopus.lift_hold(&infra, kind, node, command).await?))
}

pub(crate) async fn graph(context: &Context<'_>, infra: &str, format: &str) -> Result<Value, Error> {
    let format = match format {
        "text" => GraphFormat::Text,
        "dot" => GraphFormat::Dot,
        "mermaid" => GraphFormat::Mermaid,
        other => {
            let text = format!("'{other}' is no graph format; there are text, dot and mermaid");
            return Err(Error::Usage(text));
        }
    };
    Ok(json!(context.occopus.graph(&context.resolve(infra).await?, format).await?))
}

pub(crate) async fn adopt(context: &Context<'_>, orphan: &str) -> Result<Value, Error> {
    let (infra, attempt) = context.occopus.adopt(orphan, &context.run("adopt")).await?;
    Ok(json!({"infra_id": infra, "slot": attempt.slot, "node_id": attempt.node_id}))
}

pub(crate) async fn remove_orphan(context: &Context<'_>, orphan: &str) -> Result<Value, Error> {
    let orphan = context.occopus.orphans().await?.pick(orphan)?;
    Ok(json!(context.occopus.remove_orphan(&orphan, &context.run("remove_orphan")).await?))
}
