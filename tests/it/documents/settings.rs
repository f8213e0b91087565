//! The settings, read from the types of `src/config`: their keys, types, units, defaults and reasons.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Attribute, Expr, Item, ItemStruct, Lit, Meta, Stmt, Type};

use crate::support::repository::tracked;

pub(super) struct Setting {
    /// As in the file: `server`, `site`, `site.campaigns`.
    pub(super) section: String,
    pub(super) key: String,
    pub(super) kind: String,
    pub(super) unit: &'static str,
    pub(super) default: String,
    /// The doc comment of the field: what it is for, and why the default is what it is.
    pub(super) reason: String,
}

/// A section with the doc comment of its field in the configuration.
pub(super) struct Section {
    pub(super) name: String,
    pub(super) is_list: bool,
    pub(super) reason: String,
    pub(super) settings: Vec<Setting>,
}

/// The keys of each section, those of sections below it among them.
pub(super) fn sections() -> BTreeMap<String, BTreeSet<String>> {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for section in all() {
        if let Some((parent, name)) = section.name.split_once('.') {
            keys.entry(parent.to_owned()).or_default().insert(name.to_owned());
        }
        let names = section.settings.into_iter().map(|setting| setting.key);
        keys.entry(section.name).or_default().extend(names);
    }
    keys
}

/// All sections, in the order of the configuration's fields.
pub(super) fn all() -> Vec<Section> {
    let source = Source::read();
    let mut sections = Vec::new();
    for field in &source.structs["Config"].fields {
        source.describe(&key_of(field), field, &mut sections);
    }
    assert!(sections.len() > 10, "src/config was not understood");
    sections
}

struct Source {
    structs: BTreeMap<String, ItemStruct>,
    /// The value of each field that a `Default` of the sources names, by type and field.
    defaults: BTreeMap<(String, String), String>,
    /// The names of the variants of each enumeration, its default first.
    choices: BTreeMap<String, Vec<String>>,
    /// What functions such as `Site::default_publish_every` return.
    returned: BTreeMap<String, String>,
}

impl Source {
    fn read() -> Self {
        let mut source = Self {
            structs: BTreeMap::new(),
            defaults: BTreeMap::new(),
            choices: BTreeMap::new(),
            returned: BTreeMap::new(),
        };
        for path in tracked().iter().filter(|path| path.starts_with("src/config/") && path.ends_with(".rs")) {
            let file = syn::parse_file(&std::fs::read_to_string(path).unwrap()).unwrap();
            for item in file.items {
                match item {
                    Item::Struct(item) => drop(source.structs.insert(item.ident.to_string(), item)),
                    Item::Enum(item) => drop(source.choices.insert(item.ident.to_string(), choices(&item))),
                    Item::Impl(item) => source.learn(item),
                    _ => {}
                }
            }
        }
        source
    }

    /// Remembers what an `impl Default` says, and what small functions of a type return.
    fn learn(&mut self, item: syn::ItemImpl) {
        let Some((name, _)) = type_name(&item.self_ty) else { return };
        for function in item.items {
            let syn::ImplItem::Fn(function) = function else { continue };
            let Some(Stmt::Expr(result, None)) = function.block.stmts.first() else { continue };
            if let Expr::Struct(result) = result
                && function.sig.ident == "default"
            {
                for field in &result.fields {
                    let syn::Member::Named(key) = &field.member else { continue };
                    let value =
                        value(&field.expr).unwrap_or_else(|| panic!("the default of {name}.{key} is not understood"));
                    self.defaults.insert((name.clone(), key.to_string()), value);
                }
            } else if let Some(value) = value(result) {
                self.returned.insert(format!("{name}::{}", function.sig.ident), value);
            }
        }
    }

    fn describe(&self, name: &str, field: &syn::Field, sections: &mut Vec<Section>) {
        let (outer, inner) = type_name(&field.ty).expect("a plain type");
        let is_list = outer == "Vec";
        let type_name = inner.unwrap_or(outer);
        let mut section =
            Section { name: name.to_owned(), is_list, reason: documentation(&field.attrs), settings: Vec::new() };
        let item = &self.structs[&type_name];
        let mut below = Vec::new();
        for field in &item.fields {
            let key = key_of(field);
            if self.structs.contains_key(&innermost(&field.ty)) {
                self.describe(&format!("{name}.{key}"), field, &mut below);
                continue;
            }
            let default = self.default_of(item, field, &key);
            let kind = match self.choices.get(&innermost(&field.ty)) {
                Some(choices) => choices.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or "),
                None => kind(&field.ty).to_owned(),
            };
            let (unit, reason) = (unit(&key), documentation(&field.attrs));
            assert!(!reason.is_empty(), "[{name}] {key} has no doc comment");
            section.settings.push(Setting { section: name.to_owned(), key, kind, unit, default, reason });
        }
        sections.push(section);
        sections.extend(below);
    }

    fn default_of(&self, item: &ItemStruct, field: &syn::Field, key: &str) -> String {
        if let Some(value) = self.defaults.get(&(item.ident.to_string(), key.to_owned())) {
            return value.clone();
        }
        if let Some(function) = serde_words(&field.attrs, "default = \"") {
            return self.returned[&function].clone();
        }
        let is_optional = type_name(&field.ty).is_some_and(|(outer, _)| outer == "Option");
        let has_default =
            serde_words(&field.attrs, "default").is_some() || serde_words(&item.attrs, "default").is_some();
        match kind(&field.ty) {
            _ if is_optional => "none".to_owned(),
            _ if !has_default => "required".to_owned(),
            "yes or no" => "`false`".to_owned(),
            "list of texts" | "list of files" | "list of networks" | "list of lists" => "`[]`".to_owned(),
            "names and texts" | "names and lists" => "`{}`".to_owned(),
            _ => {
                self.choices.get(&innermost(&field.ty)).map_or("–".to_owned(), |names| format!("`\"{}\"`", names[0]))
            }
        }
    }
}

/// The variants in the file's spelling, the default first.
fn choices(item: &syn::ItemEnum) -> Vec<String> {
    let mut variants: Vec<_> = item.variants.iter().collect();
    variants.sort_by_key(|variant| !variant.attrs.iter().any(|attribute| attribute.path().is_ident("default")));
    let kebab = |name: String| {
        let parts = name.char_indices().map(|(at, c)| match c.is_uppercase() && at > 0 {
            true => format!("-{}", c.to_lowercase()),
            false => c.to_lowercase().to_string(),
        });
        parts.collect::<String>()
    };
    variants.into_iter().map(|variant| kebab(variant.ident.to_string())).collect()
}

/// `Option<Vec<T>>` is `Option` and `Vec`.
fn type_name(ty: &Type) -> Option<(String, Option<String>)> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let inner = match &last.arguments {
        syn::PathArguments::AngleBracketed(arguments) => arguments.args.iter().find_map(|argument| match argument {
            syn::GenericArgument::Type(ty) => Some(innermost(ty)),
            _ => None,
        }),
        _ => None,
    };
    Some((last.ident.to_string(), inner))
}

fn innermost(ty: &Type) -> String {
    let (outer, inner) = type_name(ty).expect("a plain type");
    inner.unwrap_or(outer)
}

/// A type in words.
fn kind(ty: &Type) -> &'static str {
    let Type::Path(path) = ty else { panic!("a type of a setting that this test does not know") };
    let last = path.path.segments.last().expect("a name");
    let arguments: Vec<&Type> = match &last.arguments {
        syn::PathArguments::AngleBracketed(arguments) => arguments
            .args
            .iter()
            .filter_map(|a| if let syn::GenericArgument::Type(ty) = a { Some(ty) } else { None })
            .collect(),
        _ => Vec::new(),
    };
    match last.ident.to_string().as_str() {
        "Option" => kind(arguments[0]),
        "Vec" => match kind(arguments[0]) {
            "text" => "list of texts",
            "file or folder" => "list of files",
            "network" => "list of networks",
            _ => "list of lists",
        },
        "BTreeMap" if kind(arguments[1]) == "text" => "names and texts",
        "BTreeMap" => "names and lists",
        "String" => "text",
        "PathBuf" => "file or folder",
        "IpNet" => "network",
        "SocketAddr" => "address and port",
        "Listen" => "address and port, or unix socket",
        "bool" => "yes or no",
        "u16" | "u32" | "u64" => "whole number",
        _ => "one of a list",
    }
}

fn unit(key: &str) -> &'static str {
    const UNITS: &[(&str, &str)] = &[
        ("_per_s", "per second"),
        ("_per_h", "per hour"),
        ("_mib", "MiB"),
        ("_hours", "hours"),
        ("_months", "months"),
        ("every_h", "hours"),
        ("_s", "seconds"),
    ];
    UNITS.iter().find(|(end, _)| key.ends_with(end)).map_or("–", |(_, unit)| unit)
}

/// A constant expression as TOML in a code span, or `none`.
fn value(expression: &Expr) -> Option<String> {
    Some(match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => format!("`{}`", number.base10_digits()),
            Lit::Bool(flag) => format!("`{}`", flag.value),
            Lit::Str(text) => format!("`\"{}\"`", text.value()),
            _ => return None,
        },
        Expr::Path(path) if path.path.is_ident("None") => "none".to_owned(),
        Expr::Call(_) => "`[]`".to_owned(),
        Expr::MethodCall(call) => match &*call.receiver {
            Expr::Tuple(tuple) => {
                let (Some(Expr::Array(octets)), Some(port)) = (tuple.elems.first(), tuple.elems.last()) else {
                    return None;
                };
                let octets: Vec<String> = octets.elems.iter().filter_map(number).collect();
                format!("`\"{}:{}\"`", octets.join("."), number(port)?)
            }
            receiver => value(receiver)?,
        },
        _ => return None,
    })
}

fn number(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Lit(syn::ExprLit { lit: Lit::Int(number), .. }) => Some(number.base10_digits().to_owned()),
        _ => None,
    }
}

/// The key in the file: the field's name, unless serde gives another.
fn key_of(field: &syn::Field) -> String {
    let renamed = serde_words(&field.attrs, "rename = \"");
    renamed.unwrap_or_else(|| field.ident.as_ref().expect("a named field").to_string())
}

/// What follows a word in `#[serde(…)]`, up to the closing quote. Empty for a word that stands alone.
fn serde_words(attributes: &[Attribute], word: &str) -> Option<String> {
    let lists = attributes.iter().filter(|attribute| attribute.path().is_ident("serde"));
    lists.filter_map(|attribute| attribute.meta.require_list().ok()).find_map(|list| {
        let text = list.tokens.to_string();
        let (_, rest) = text.split_once(word)?;
        Some(rest.split('"').next().unwrap_or("").trim_matches([' ', ',']).to_owned())
    })
}

/// A doc comment as one line, without the brackets of its links to code.
fn documentation(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(syn::ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join(" ").replace("[`", "`").replace("`]", "`").replace('|', "\\|")
}
