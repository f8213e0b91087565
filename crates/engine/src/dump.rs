//! The engine's parse of a statement, as `EXPLAIN AST` prints it: one node per line, indented by its depth, with the
//! number of its children at the end.
//!
//! A name may contain line ends, and so add lines that no node has. Each line is then one child too many of a node whose
//! line has no name. So [`read`] counts, and returns nothing when a count is wrong: what it returns is the statement.

/// A node of the parse.
#[derive(Debug)]
pub(crate) struct Node<'dump> {
    depth: usize,
    pub(crate) kind: &'dump str,
    /// The line after the kind.
    pub(crate) rest: &'dump str,
}

/// The nodes in the order of their lines, or `None` if the lines are no tree.
pub(crate) fn read(dump: &str) -> Option<Vec<Node<'_>>> {
    let mut nodes = Vec::new();
    // For each ancestor of the next line, how many of its children are still to come.
    let mut missing: Vec<usize> = Vec::new();
    for line in dump.split('\n').filter(|line| !line.is_empty()) {
        let text = line.trim_start_matches(' ');
        let depth = line.len() - text.len();
        while missing.len() > depth {
            if missing.pop() != Some(0) {
                return None;
            }
        }
        // A child is one deeper than its parent.
        if missing.len() != depth {
            return None;
        }
        match missing.last_mut() {
            Some(left) => *left = left.checked_sub(1)?,
            None if nodes.is_empty() => {}
            None => return None,
        }
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        missing.push(children(rest));
        nodes.push(Node { depth, kind, rest });
    }
    (!nodes.is_empty() && missing.iter().all(|left| *left == 0)).then_some(nodes)
}

/// The number of children that a line says.
fn children(rest: &str) -> usize {
    let number = rest.rsplit_once("(children ").and_then(|(_, number)| number.strip_suffix(')'));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The arguments of the function at `at`: the children of its only child.
pub(crate) fn arguments<'nodes, 'dump>(nodes: &'nodes [Node<'dump>], at: usize) -> Vec<&'nodes Node<'dump>> {
    let depth = nodes[at].depth;
    let below = nodes[at + 1..].iter().take_while(|node| node.depth > depth);
    let lists = below.clone().filter(|node| node.depth == depth + 1);
    if lists.map(|node| node.kind).eq(["ExpressionList"]) {
        below.filter(|node| node.depth == depth + 2).collect()
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAST: &str = "SelectWithUnionQuery (children 1)\n ExpressionList (children 1)\n  Function CAST (alias x) (children 1)\n   ExpressionList (children 2)\n    Literal 'a'\n    Literal 'UInt8'\n";

    #[test]
    fn a_tree_is_read_and_what_is_none_is_not() {
        let nodes = read(CAST).unwrap();
        let arguments: Vec<&str> = arguments(&nodes, 2).iter().map(|node| node.rest).collect();
        assert_eq!(arguments, ["'a'", "'UInt8'"]);
        for (line, instead) in [
            ("    Literal 'a'\n", "    Literal 'a' (alias x\n    Literal 'UInt8'\n"),
            ("    Literal 'a'\n", "    Literal 'a' (alias x\nLiteral 'b')\n"),
            ("    Literal 'a'\n", "    Literal 'a' (alias x\n     Literal 'b')\n"),
            ("    Literal 'a'\n", "    Literal 'a' (alias x\n   ExpressionList (children 1))\n"),
            ("    Literal 'a'\n", ""),
            ("(children 2)", "(children 3)"),
            ("(children 2)", "(children 1)"),
            ("  Function", "    Function"),
        ] {
            assert!(read(&CAST.replacen(line, instead, 1)).is_none(), "{instead}");
        }
        assert!(read("").is_none());
    }
}
