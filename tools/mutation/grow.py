"""Finds the places of a module where a small fault can be put, and writes the module with a switch at each of them.

All faults of a module are in the instrumented text at once; `switch.py` turns at most one of them on. Only bodies of functions
are touched: what runs while a module is imported would have to be imported again for every fault.
"""

import ast
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

SWITCH = "dispatcher.mutant_switch"
LONGEST = 90
SIGNS: dict[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
POLISH = {"replace", "lower", "casefold", "strip"}
LOGS = ("log.", "LOG.", "logging.")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault. `place` names the site for people and caches, `digest` is that of the text of the function around it."""

    site: str
    variant: str
    path: str
    place: str
    digest: str

    @property
    def name(self) -> str:
        """The whole name: file, function, what is done to which words."""
        return f"{self.place} -> {self.variant}"

    @property
    def mark(self) -> str:
        """What a test must have passed to be able to notice: the place, with an answer that the fault changes."""
        return f"{self.place} = {0 if self.variant == 'always' else 1}"

    @property
    def code(self) -> str:
        """What the environment variable says."""
        return f"{self.site}:{self.variant}"


@dataclass(frozen=True, slots=True)
class Operators:
    """Which kinds of fault a file gets; conditions and what a question returns always, the rest by choice."""

    boundaries: bool = True
    statements: bool = False
    polish: bool = False


@dataclass(slots=True)
class Instrumented:
    """A module with its switches, and the faults that they turn on."""

    text: str
    mutants: list[Mutant]


def instrument(path: str, source: str, operators: Operators, first_site: int) -> Instrumented:
    """Put switches into the functions of a module; sites are numbered from `first_site`."""
    tree = ast.parse(source)
    grower = _Grower(path, source, operators, first_site)
    for node in tree.body:
        grower.definition(node)
    _import_switch(tree)
    return Instrumented(ast.unparse(ast.fix_missing_locations(tree)) + "\n", grower.mutants)


def _import_switch(tree: ast.Module) -> None:
    after = 0
    for number, node in enumerate(tree.body):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_text or (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            after = number + 1
        else:
            break
    package, _, name = SWITCH.rpartition(".")
    tree.body.insert(after, ast.ImportFrom(package, [ast.alias(name, "_mutant")], 0))


def _call(name: str, *args: ast.expr) -> ast.Call:
    return ast.Call(ast.Attribute(ast.Name("_mutant", ast.Load()), name, ast.Load()), list(args), [])


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return (
        text
        if len(text) <= LONGEST
        else f"{text[: LONGEST - 9]}~{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    )


@dataclass(slots=True)
class _Function:
    """The function whose body is being changed: what it may return, and its text."""

    name: str
    digest: str
    returns_bool: bool
    returns_none: bool


@dataclass
class _Grower(ast.NodeTransformer):
    path: str
    source: str
    operators: Operators
    next_site: int
    mutants: list[Mutant] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    functions: list[_Function] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)

    # -- where we are --

    def definition(self, node: ast.stmt) -> None:
        """Walk into classes and functions; what stands between them is left alone."""
        if isinstance(node, ast.ClassDef):
            self.names.append(node.name)
            for inner in node.body:
                self.definition(inner)
            self.names.pop()
        elif isinstance(node, ast.FunctionDef):
            self._function(node)

    def _function(self, node: ast.FunctionDef) -> None:
        self.names.append(node.name)
        returns = {word.id for word in _words(node.returns) if isinstance(word, ast.Name)}
        has_none = any(isinstance(w, ast.Constant) and w.value is None for w in _top(node.returns))
        text = ast.get_source_segment(self.source, node) or ""
        is_none = isinstance(node.returns, ast.Constant)
        self.functions.append(
            _Function(
                ".".join(self.names),
                hashlib.sha256(text.encode()).hexdigest()[:16],
                returns_bool="bool" in returns and isinstance(node.returns, ast.Name | ast.BinOp),
                returns_none=has_none and not is_none,
            )
        )
        node.body = [self.visit(statement) for statement in node.body]
        self.functions.pop()
        self.names.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self._function(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        return node

    # -- making faults --

    def _site(self, kind: str, node: ast.AST | str, *variants: str) -> ast.Constant:
        function = self.functions[-1]
        words = node if isinstance(node, str) else _short(node)
        place = f"{self.path} {function.name}: {kind} [{words}]"
        self.counted[place] += 1
        if self.counted[place] > 1:
            place += f" #{self.counted[place]}"
        site, self.next_site = self.next_site, self.next_site + 1
        self.mutants += [
            Mutant(str(site), variant, self.path, place, function.digest) for variant in variants
        ]
        return ast.Constant(site)

    def _truth(self, kind: str, node: ast.expr, *, may_be_always: bool = True) -> ast.expr:
        """A condition that can be forced. The weaker fault is chosen where a part can be left out instead of the whole."""
        variants = ["never", "always"]
        if isinstance(node, ast.BoolOp):
            variants.remove("always" if isinstance(node.op, ast.And) else "never")
        if not may_be_always:
            variants = ["never"]
        if isinstance(node, ast.Constant):
            variants = ["never" if node.value else "always"]
        site = self._site(kind, node, *variants)
        return _call("at", site, self._parts(node))

    def _parts(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            node.operand = self._parts(node.operand)
            return node
        if not isinstance(node, ast.BoolOp):
            return self.visit(node)
        whole = _short(node)
        left_out = "always" if isinstance(node.op, ast.And) else "never"
        for number, part in enumerate(node.values):
            site = self._site(f"part {number + 1}", whole, left_out)
            node.values[number] = _call("at", site, self._parts(part))
        return node

    # -- conditions --

    def visit_If(self, node: ast.If) -> ast.If:
        node.test = self._truth("if", node.test)
        node.body = self._block(node.body)
        node.orelse = self._block(node.orelse)
        return node

    def visit_While(self, node: ast.While) -> ast.While:
        is_endless = isinstance(node.test, ast.Constant)
        node.test = node.test if is_endless else self._truth("while", node.test, may_be_always=False)
        node.body = self._block(node.body)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.IfExp:
        node.test = self._truth("if", node.test)
        node.body, node.orelse = self.visit(node.body), self.visit(node.orelse)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        node.iter = self.visit(node.iter)
        node.ifs = [self._truth("only if", one) for one in node.ifs]
        return node

    def visit_match_case(self, node: ast.match_case) -> ast.match_case:
        if node.guard is not None:
            node.guard = self._truth("case if", node.guard)
        node.body = self._block(node.body)
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        sign = SIGNS.get(type(node.ops[0])) if len(node.ops) == 1 else None
        if sign is None or not self.operators.boundaries:
            self.generic_visit(node)
            return node
        site = self._site("boundary", node, "flipped")
        self.generic_visit(node)
        return _call("edge", site, node.left, ast.Constant(sign), node.comparators[0])

    def visit_Return(self, node: ast.Return) -> ast.Return:
        value, function = node.value, self.functions[-1]
        if value is None:
            return node
        is_none = isinstance(value, ast.Constant) and value.value is None
        if function.returns_bool and not is_none:
            node.value = self._truth("return", value)
        elif function.returns_none and not is_none:
            site = self._site("return", value, "blind")
            node.value = _call("found", site, self.visit(value))
        else:
            node.value = self.visit(value)
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        node.body = self.visit(node.body)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        node.value = self.visit(node.value) if node.value else None
        return node

    # -- statements, fields, polish --

    def visit(self, node: ast.AST) -> ast.AST:
        """Every statement may be left out, where the file asks for that."""
        if not (isinstance(node, ast.stmt) and self.operators.statements and self._can_be_left_out(node)):
            return super().visit(node)
        site = self._site("without", node, "skipped")
        return ast.If(_call("keep", site), [super().visit(node)], [])

    def _block(self, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        if len(statements) == 1 and isinstance(statements[0], ast.Raise):
            self.generic_visit(statements[0])  # the condition around it is forced already
            return list(statements)
        return [self.visit(one) for one in statements]

    def _can_be_left_out(self, node: ast.stmt) -> bool:
        if self.names[-1] in {"__init__", "__post_init__"}:
            return False
        if isinstance(node, ast.Expr):
            return isinstance(node.value, ast.Call) and not ast.unparse(node).startswith(LOGS)
        if isinstance(node, ast.Assign):
            return all(_is_state(target) for target in node.targets)
        if isinstance(node, ast.AugAssign):
            return _is_state(node.target)
        return isinstance(node, ast.Raise | ast.Delete)

    def visit_Dict(self, node: ast.Dict) -> ast.expr:
        names = [key.value for key in node.keys if isinstance(key, ast.Constant) and _is_header(key.value)]
        self.generic_visit(node)
        if not names or not self.operators.statements:
            return node
        sites = [self._site("header", name, "left out") for name in names]
        return _call("lacks", sites[0], node, ast.Tuple([ast.Constant(name) for name in names], ast.Load()))

    def visit_Call(self, node: ast.Call) -> ast.expr:
        func = node.func
        is_polish = isinstance(func, ast.Attribute) and func.attr in POLISH
        if not is_polish or not self.operators.polish:
            self.generic_visit(node)
            return node
        site = self._site("polish", node, "skipped")
        self.generic_visit(node)
        assert isinstance(func, ast.Attribute)
        call = _call("polish", site, func.value, ast.Constant(func.attr), *node.args)
        call.keywords = node.keywords
        return call


def _is_state(target: ast.expr) -> bool:
    if isinstance(target, ast.Tuple):
        return all(_is_state(one) for one in target.elts)
    return isinstance(target, ast.Attribute | ast.Subscript)


def _is_header(name: object) -> bool:
    return isinstance(name, str) and (
        ("-" in name and name[0].isupper()) or name in {"ETag", "Link", "Location"}
    )


def _words(node: ast.expr | None) -> Iterator[ast.AST]:
    return iter(()) if node is None else ast.walk(node)


def _top(node: ast.expr | None) -> Iterator[ast.expr]:
    """The members of a union."""
    if isinstance(node, ast.BinOp):
        yield from _top(node.left)
        yield from _top(node.right)
    elif node is not None:
        yield node
