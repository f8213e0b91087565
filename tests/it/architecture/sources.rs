//! The crates of the product, parsed. Code that only tests have is left out.
//!
//! A reference is a path that a module names: in `use`, in code, or among the tokens of a macro call. It is resolved
//! through modules, imports and re-exports to the module that defines the item. What the types alone decide (which method
//! is called) is not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree, Visibility};

pub(super) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a folder of the repository with this extension, their paths relative to the repository.
pub(super) fn files_below(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(repository().join(folder)).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        let inner = path.strip_prefix(repository()).expect("below the repository");
        if path.is_dir() {
            found.extend(files_below(inner.to_str().expect("UTF-8"), extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(inner.to_owned());
        }
    }
    found.sort();
    found
}

/// A path that a module names.
pub(super) struct Reference {
    pub(super) path: Vec<String>,
    /// A `pub use` of any visibility: the module shows the item, and need not need it.
    pub(super) is_reexport: bool,
}

/// A module of a crate: a file, or a block within one.
pub(super) struct Module {
    pub(super) file: PathBuf,
    /// Whether the file begins with this module.
    pub(super) is_file: bool,
    /// Its path in the crate. The root's is empty.
    pub(super) path: Vec<String>,
    pub(super) references: Vec<Reference>,
    pub(super) functions: Vec<Function>,
    /// Public modules, types and functions, each with the number of words of its documentation.
    pub(super) documented: Vec<(String, usize)>,
    /// Modules in files that only tests have, except those whose file is named by `#[path]`.
    pub(super) test_files: Vec<String>,
    pub(super) has_unsafe: bool,
    /// Texts in calls of `include_str!` and `include_bytes!`.
    pub(super) included: Vec<String>,
    parent: usize,
    children: BTreeMap<String, usize>,
    imports: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    names: BTreeSet<String>,
}

pub(super) struct Function {
    pub(super) name: String,
    pub(super) lines: usize,
}

/// A crate, its root module first.
pub(super) struct Crate {
    pub(super) modules: Vec<Module>,
}

/// The file that `#[path]` names.
fn named_file(attributes: &[Attribute]) -> Option<String> {
    let value =
        attributes.iter().find(|attribute| attribute.path().is_ident("path"))?.meta.require_name_value().ok()?;
    match &value.value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(named), .. }) => Some(named.value()),
        _ => None,
    }
}

/// A file that is named relative to another.
fn beside(file: &Path, named: &str) -> PathBuf {
    let mut path = file.parent().expect("a file is in a folder").to_owned();
    for part in Path::new(named) {
        if part == ".." {
            path.pop()
        } else {
            path.push(part);
            true
        };
    }
    path
}

impl Crate {
    /// The product's library.
    pub(super) fn product() -> Self {
        Self::read(Path::new("src/lib.rs"))
    }

    /// All crates: the product's library and program, and those in `crates/`.
    pub(super) fn all() -> Vec<Self> {
        let is_root = |path: &PathBuf| {
            let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
            let name = path.file_name().and_then(|name| name.to_str());
            matches!((folder, name), (Some("src"), Some("lib.rs" | "main.rs")))
        };
        let files = [files_below("src", "rs"), files_below("crates", "rs")].concat();
        files.iter().filter(|path| is_root(path)).map(|path| Self::read(path)).collect()
    }

    pub(super) fn read(root: &Path) -> Self {
        let mut this = Self { modules: Vec::new() };
        let folder = root.parent().expect("in a folder");
        this.add_file(root, folder, Vec::new(), 0);
        this
    }

    fn add_file(&mut self, file: &Path, folder: &Path, path: Vec<String>, parent: usize) -> usize {
        let text = fs::read_to_string(repository().join(file)).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.add(file, folder, path, parent, &parsed.items, true)
    }

    /// Adds a module of these items. `folder` is where the files of its children are.
    fn add(
        &mut self,
        file: &Path,
        folder: &Path,
        path: Vec<String>,
        parent: usize,
        items: &[Item],
        is_file: bool,
    ) -> usize {
        let number = self.modules.len();
        let mut reader = Reader(Module {
            file: file.to_owned(),
            is_file,
            path: path.clone(),
            references: Vec::new(),
            functions: Vec::new(),
            documented: Vec::new(),
            test_files: Vec::new(),
            has_unsafe: false,
            included: Vec::new(),
            parent,
            children: BTreeMap::new(),
            imports: BTreeMap::new(),
            globs: Vec::new(),
            names: BTreeSet::new(),
        });
        items.iter().for_each(|item| reader.visit_item(item));
        self.modules.push(reader.0);
        for item in items {
            let Item::Mod(module) = item else { continue };
            let name = module.ident.to_string();
            if is_for_tests(&module.attrs) {
                let is_elsewhere = module.attrs.iter().any(|attribute| attribute.path().is_ident("path"));
                if module.content.is_none() && !is_elsewhere {
                    self.modules[number].test_files.push(name);
                }
                continue;
            }
            let inner = [path.as_slice(), std::slice::from_ref(&name)].concat();
            let child = match &module.content {
                Some((_, items)) => self.add(file, &folder.join(&name), inner, number, items, false),
                None => {
                    let alone = folder.join(format!("{name}.rs"));
                    let alone_exists = repository().join(&alone).exists();
                    let usual = if alone_exists { alone } else { folder.join(&name).join("mod.rs") };
                    let file = named_file(&module.attrs).map_or(usual, |named| beside(file, &named));
                    self.add_file(&file, &folder.join(&name), inner, number)
                }
            };
            self.modules[number].children.insert(name, child);
        }
        number
    }

    /// The module that defines what a path means in a module. `None` if it is not of this crate.
    pub(super) fn resolve(&self, module: usize, path: &[String]) -> Option<usize> {
        self.look(module, path, 0)
    }

    fn look(&self, module: usize, path: &[String], depth: usize) -> Option<usize> {
        match path.first()?.as_str() {
            _ if depth > 16 => None,
            "crate" => self.walk(0, &path[1..], depth).or(Some(0)),
            "self" => self.walk(module, &path[1..], depth).or(Some(module)),
            "super" => self.walk(self.modules[module].parent, &path[1..], depth).or(Some(self.modules[module].parent)),
            _ => self.walk(module, path, depth),
        }
    }

    fn walk(&self, module: usize, path: &[String], depth: usize) -> Option<usize> {
        let here = &self.modules[module];
        let Some((name, rest)) = path.split_first() else { return Some(module) };
        if name == "super" {
            self.walk(here.parent, rest, depth)
        } else if let Some(child) = here.children.get(name) {
            self.walk(*child, rest, depth)
        } else if here.names.contains(name) {
            Some(module)
        } else if let Some(import) = here.imports.get(name) {
            self.look(module, &[import, rest].concat(), depth + 1)
        } else {
            here.globs.iter().find_map(|glob| {
                let target = self.look(module, glob, depth + 1).filter(|target| *target != module)?;
                self.walk(target, path, depth + 1)
            })
        }
    }

    /// The module directly below the root that a path names, if the path begins with `crate` or `super`.
    pub(super) fn names_module<'a>(&'a self, module: usize, path: &'a [String]) -> Option<&'a str> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => rest.first().map(String::as_str),
            "super" if self.modules[module].parent == 0 => rest.first().map(String::as_str),
            "super" => self.names_module(self.modules[module].parent, rest),
            _ => None,
        }
    }

    /// The other crate that a path names in a module, if it names one.
    pub(super) fn foreign<'a>(&self, module: usize, path: &'a [String]) -> Option<&'a str> {
        let (first, here) = (path.first()?, &self.modules[module]);
        let is_local = ["crate", "self", "super", "Self"].contains(&first.as_str())
            || here.children.contains_key(first)
            || here.names.contains(first)
            || here.imports.get(first).is_some_and(|import| import.as_slice() != [first.as_str()]);
        (!is_local && path.len() > 1).then_some(first)
    }

    /// The module whose file holds this one.
    pub(super) fn file_of(&self, module: usize) -> &Module {
        let here = &self.modules[module];
        if here.is_file { here } else { self.file_of(here.parent) }
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => list.tokens.to_string() == "test",
        meta => meta.path().is_ident("test"),
    })
}

/// Words of the doc comment.
fn words(attributes: &[Attribute]) -> usize {
    let text = |attribute: &Attribute| match &attribute.meta {
        syn::Meta::NameValue(doc) if doc.path.is_ident("doc") => match &doc.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => text.value().split_whitespace().count(),
            _ => 0,
        },
        _ => 0,
    };
    attributes.iter().map(text).sum()
}

/// Fills a module from its items. Modules within are read on their own.
struct Reader(Module);

impl Reader {
    fn refer(&mut self, path: Vec<String>, is_reexport: bool) {
        self.0.references.push(Reference { path, is_reexport });
    }

    /// A path in code. One name alone is of this module, or `use` has brought it in.
    fn refer_in_code(&mut self, path: Vec<String>) {
        if path.len() > 1 {
            self.refer(path, false);
        }
    }

    fn import(&mut self, tree: &UseTree, mut before: Vec<String>, is_reexport: bool) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.import(&path.tree, before, is_reexport);
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.import(tree, before.clone(), is_reexport));
            }
            UseTree::Glob(_) => {
                self.0.globs.push(before.clone());
                self.refer(before, is_reexport);
            }
            UseTree::Name(_) | UseTree::Rename(_) => {
                let (name, called) = match tree {
                    UseTree::Rename(rename) => (rename.ident.to_string(), rename.rename.to_string()),
                    UseTree::Name(name) => (name.ident.to_string(), name.ident.to_string()),
                    _ => unreachable!("matched above"),
                };
                let called = if name == "self" && called == "self" { before.last().cloned() } else { Some(called) };
                if name != "self" {
                    before.push(name);
                }
                self.0.imports.insert(called.expect("`self` is in a group"), before.clone());
                self.refer(before, is_reexport);
            }
        }
    }

    /// The paths among the tokens of a macro call.
    fn tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut is_open): (Vec<String>, bool) = (Vec::new(), false);
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if !is_open {
                        self.refer_in_code(std::mem::take(&mut path));
                    }
                    path.push(name.to_string());
                    is_open = false;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => is_open = true,
                TokenTree::Group(group) => {
                    self.refer_in_code(std::mem::take(&mut path));
                    self.tokens(group.stream());
                }
                _ => self.refer_in_code(std::mem::take(&mut path)),
            }
        }
        self.refer_in_code(path);
    }

    fn document(&mut self, kind: &str, visibility: &Visibility, name: &syn::Ident, attributes: &[Attribute]) {
        if matches!(visibility, Visibility::Public(_)) {
            self.0.documented.push((format!("{kind} {name}"), words(attributes)));
        }
    }

    fn function(&mut self, name: &syn::Ident, signature: &syn::Signature, block: &syn::Block) {
        let lines = block.brace_token.span.close().end().line - signature.fn_token.span.start().line + 1;
        self.0.functions.push(Function { name: name.to_string(), lines });
        self.0.has_unsafe |= matches!(signature.safety, syn::Safety::Unsafe(_));
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_for_tests(attributes(item)) {
            return;
        }
        let module = &mut self.0;
        match item {
            Item::Mod(_) => return,
            Item::Use(item) => {
                let is_reexport = !matches!(item.vis, Visibility::Inherited);
                self.import(&item.tree, Vec::new(), is_reexport);
                return;
            }
            Item::Const(item) => _ = module.names.insert(item.ident.to_string()),
            Item::Static(item) => _ = module.names.insert(item.ident.to_string()),
            Item::Fn(item) => {
                module.names.insert(item.sig.ident.to_string());
                self.document("fn", &item.vis, &item.sig.ident, &item.attrs);
                self.function(&item.sig.ident, &item.sig, &item.block);
            }
            Item::Enum(item) => {
                module.names.insert(item.ident.to_string());
                self.document("enum", &item.vis, &item.ident, &item.attrs);
            }
            Item::Struct(item) => {
                module.names.insert(item.ident.to_string());
                self.document("struct", &item.vis, &item.ident, &item.attrs);
            }
            Item::Trait(item) => {
                module.names.insert(item.ident.to_string());
                self.document("trait", &item.vis, &item.ident, &item.attrs);
            }
            Item::Type(item) => {
                module.names.insert(item.ident.to_string());
                self.document("type", &item.vis, &item.ident, &item.attrs);
            }
            Item::Macro(item) => module.names.extend(item.ident.as_ref().map(ToString::to_string)),
            _ => (),
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, method: &'ast syn::ImplItemFn) {
        if !is_for_tests(&method.attrs) {
            self.document("fn", &method.vis, &method.sig.ident, &method.attrs);
            self.function(&method.sig.ident, &method.sig, &method.block);
            visit::visit_impl_item_fn(self, method);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        // Within a function.
        self.import(&item.tree, Vec::new(), false);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.refer_in_code(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if call.path.segments.last().is_some_and(|name| name.ident.to_string().starts_with("include_")) {
            self.0.included.push(call.tokens.to_string());
        }
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.0.has_unsafe = true;
        visit::visit_expr_unsafe(self, block);
    }
}
