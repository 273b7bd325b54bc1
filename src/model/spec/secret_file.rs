//! Reads where the values of secrets come from: the published `value` and key vault reference, and our own `fromFile`,
//! `fromEnv`, `fromCommand` and `prompt`. No message ever repeats a value, and every value that is read is noted in
//! [`Faults::values`], so that a report that draws the file's lines can leave it out.

use std::collections::BTreeSet;

use super::doc::Value;
use super::fields::{Faults, Field, Fields, quoted};
use super::job::EnvironmentVariable;
use super::secret::{SECRET_BYTES_MAX, Secret, SecretSource, SecretText};
use crate::model::names::{check_variable, shell_owned};

/// The most secrets of one job: far more than anybody needs, and their values still fit into one order to a node.
const SECRETS_MAX: usize = 100;
const OURS: &str = "`fromFile`, `fromEnv`, `fromCommand` or `prompt: true`";

/// Reads the published list `secrets`; an unknown key is a fault, because it may hold a value. `variables` are those whose values are shown; a name is set once.
pub fn read(field: &Field<'_>, variables: &[EnvironmentVariable], faults: &mut Faults) -> Vec<Secret> {
    let mut seen: BTreeSet<String> = variables.iter().map(|variable| variable.name.clone()).collect();
    let mut found = Vec::new();
    let items = field.list(faults);
    if items.len() > SECRETS_MAX {
        field.fault(faults, format!("has {} secrets, the limit is {SECRETS_MAX}", items.len()));
    }
    for item in items {
        let Some(mut inner) = item.map(faults) else { continue };
        let name = inner.need(faults, "name").and_then(|field| {
            let name = field.checked(faults, check_secret_name)?;
            if name.starts_with("AZ_BATCHAI_") {
                field.warn(faults, format!("{}: names like this are the scheduler's; its own value counts", quoted(&name)));
            }
            if !seen.insert(name.clone()) {
                field.fault(faults, format!("{} is set twice", quoted(&name)));
            }
            Some(name)
        });
        let source = source(&mut inner, "value", "valueSecretReference", faults);
        inner.finish_strictly(faults);
        if let (Some(name), Some(source)) = (name, source) {
            found.push(Secret { name, source });
        }
    }
    found
}

/// Checks the name of a secret variable: as of every variable, and not one that could only be set on a command line.
///
/// # Errors
/// A sentence that says what does not fit.
pub fn check_secret_name(name: &str) -> Result<(), String> {
    check_variable(name)?;
    if shell_owned(name) {
        return Err(format!("`{name}` is the shell's own variable and cannot hold a secret"));
    }
    Ok(())
}

/// Reads where one value comes from out of an object that may have other properties: `plain` is the published property of
/// the value itself (`value`, `password`, `accountKey`), `reference` that of the published reference. Exactly one source
/// has to be there.
pub fn source(
    fields: &mut Fields<'_>,
    plain: &'static str,
    reference: &'static str,
    faults: &mut Faults,
) -> Option<SecretSource> {
    let before = faults.errors.len();
    let mut found: Vec<(Field<'_>, Option<SecretSource>)> = Vec::new();
    if let Some(field) = fields.take(plain) {
        let given = plain_value(&field, faults).map(SecretSource::Given);
        found.push((field, given));
    }
    if let Some(field) = fields.take(reference) {
        let vault = vault(&field, faults);
        found.push((field, vault));
    }
    found.extend(local(fields, faults));
    if let Some(field) = fields.take("prompt") {
        match field.truth(faults) {
            Some(false) => {}
            Some(true) => found.push((field, Some(SecretSource::Prompt))),
            None => found.push((field, None)),
        }
    }
    let mut found = found.into_iter();
    let Some((_, first)) = found.next() else {
        fields.whole().fault(faults, format!("has no value: give `{plain}`, `{reference}`, {OURS}"));
        return None;
    };
    for (field, _) in found {
        field.fault(faults, "stands beside another source; a secret has exactly one");
    }
    first.filter(|_| faults.errors.len() == before)
}

/// Reads a source that the configuration may name: only references, because a value in clear does not belong there.
pub fn configured(field: &Field<'_>, faults: &mut Faults) -> Option<SecretSource> {
    if let Value::Text(text) = field.value() {
        faults.values.push(SecretText::new(text.clone()));
    }
    let Value::Map(_) = field.value() else {
        field.fault(
            faults,
            "wants a table that says where the value comes from: { fromFile = \"…\" }, { fromEnv = \"…\" } or { fromCommand = \"…\" }; a value in clear does not belong into this file",
        );
        return None;
    };
    let mut inner = field.map(faults)?;
    let found = local(&mut inner, faults);
    inner.finish_strictly(faults);
    let mut found = found.into_iter();
    let Some((_, first)) = found.next() else {
        field.fault(faults, "has no source: give `fromFile`, `fromEnv` or `fromCommand`");
        return None;
    };
    for (field, _) in found {
        field.fault(faults, "stands beside another source; a secret has exactly one");
    }
    first
}

fn local<'d>(fields: &mut Fields<'d>, faults: &mut Faults) -> Vec<(Field<'d>, Option<SecretSource>)> {
    let mut found = Vec::new();
    if let Some(field) = fields.take("fromFile") {
        let path = field.checked(faults, |text| match text.is_empty() {
            true => Err("is empty; it names a file that the core can read".to_owned()),
            false => Ok(()),
        });
        found.push((field, path.map(SecretSource::File)));
    }
    if let Some(field) = fields.take("fromEnv") {
        let fits = |text: &str| match text.is_empty() || text.contains(['=', '\0']) {
            true => Err(format!("{} is no name of a variable", quoted(text))),
            false => Ok(()),
        };
        let name = field.checked(faults, fits);
        found.push((field, name.map(SecretSource::Environment)));
    }
    if let Some(field) = fields.take("fromCommand") {
        let command = field.checked(faults, |text| match text.trim().is_empty() {
            true => Err("is empty; there is nothing to run".to_owned()),
            false => Ok(()),
        });
        found.push((field, command.map(SecretSource::Command)));
    }
    found
}

/// Reads a value without ever repeating it.
fn plain_value(field: &Field<'_>, faults: &mut Faults) -> Option<SecretText> {
    let text = match field.value() {
        Value::Text(text) | Value::Number(text) | Value::Bool(_, text) => text,
        other @ (Value::Null | Value::List(_) | Value::Map(_)) => {
            field.fault(faults, format!("wants a text, got {}", other.kind()));
            return None;
        }
    };
    faults.values.push(SecretText::new(text.clone()));
    if let Err(why) = check_value(text) {
        field.fault(faults, why);
        return None;
    }
    Some(SecretText::new(text.clone()))
}

/// Checks a value, wherever it came from.
///
/// # Errors
/// A sentence that says what does not fit, and nothing of the value.
pub fn check_value(text: &str) -> Result<(), String> {
    if text.contains('\0') {
        return Err("has a NUL byte; no program can receive it".to_owned());
    }
    if text.len() > SECRET_BYTES_MAX {
        return Err(format!("has {} bytes, the limit is {SECRET_BYTES_MAX}", text.len()));
    }
    Ok(())
}

/// `{sourceVault: {id}, secretUrl}`, both required.
fn vault(field: &Field<'_>, faults: &mut Faults) -> Option<SecretSource> {
    let mut inner = field.map(faults)?;
    let id = inner.need(faults, "sourceVault").and_then(|field| {
        let mut inner = field.map(faults)?;
        let id = inner.need(faults, "id").and_then(|field| field.text(faults));
        inner.ignore(&["resourceGroup"]);
        inner.finish(faults);
        id
    });
    let url = inner.need(faults, "secretUrl").and_then(|field| field.text(faults));
    inner.finish(faults);
    let found = SecretSource::Vault { source_vault: id?, secret_url: url? };
    if found.vault_names().is_none() {
        field.fault(
            faults,
            "wants the id of a vault, and an address that ends as `/secrets/NAME` or `/secrets/NAME/VERSION`",
        );
        return None;
    }
    Some(found)
}

#[cfg(test)]
mod tests;
