"""Macros: functions written in the model's own language, written out where they are called.

Each call gets variables of its own, one for every index of the loops around it, so that a macro with a stock keeps one
stock per element."""

from __future__ import annotations

from dataclasses import replace

from flowreform.lower.forms import read_table
from flowreform.lower.scope import Builder, Fault, Scope
from flowreform.model import Call, Macro, Role, Variable
from flowreform.program import Assign, Code, Const, LookupTable, Op, Read

DEEPEST = 20


def expand(builder: Builder, scope: Scope, macro: Macro, call: Call) -> Code:
    """The value of one call. Raises Fault for a wrong number of arguments, a macro that calls itself, and whatever is wrong
    inside it."""
    if len(call.args) != len(macro.parameters):
        wanted = len(macro.parameters)
        raise Fault(f"macro {macro.name} takes {wanted} arguments and is given {len(call.args)}", column=call.column)
    if scope.stars is not None:
        raise Fault(f"macro {macro.name} stands inside a reduction", "give it a variable of its own and reduce that", call.column)
    if macro.name in scope.inside or len(scope.inside) >= DEEPEST:
        path = " -> ".join((*scope.inside, macro.name))
        raise Fault(f"macro {macro.name} calls itself ({path})", "a macro must end; write the loop with a stock", call.column)
    local: dict[str, Read] = {}
    for name, arg in zip(macro.parameters, call.args, strict=True):
        local[name] = builder.auxiliary(scope, builder.value(scope, arg))
    tables: dict[str, int] = {}
    for variable in macro.variables:
        lookup = variable.equations[0].lookup if variable.equations else None
        if lookup is not None:
            tables[variable.name] = builder.table(LookupTable(scope.name, lookup.x, lookup.y, lookup.kind))
        if variable.role is not Role.LOOKUP and variable.name not in local:
            local[variable.name] = builder.hidden(scope)
    given = {name: scope.outward(arg) for name, arg in zip(macro.parameters, call.args, strict=True)}
    inner = replace(scope, local=local, tables=tables, inside=(*scope.inside, macro.name), given=given)
    for variable in macro.variables:
        if variable.role is not Role.LOOKUP and variable.name not in macro.parameters:
            _write(builder, inner, macro, variable, local[variable.name])
    if macro.result not in local:
        raise Fault(f"macro {macro.name} never defines {macro.result}, its result", "give it an equation of the macro's name")
    return local[macro.result]


def _write(builder: Builder, scope: Scope, macro: Macro, variable: Variable, target: Read) -> None:
    if len(variable.equations) != 1 or variable.equations[0].expr is None:
        raise Fault(f"{variable.label} in macro {macro.name} must have one equation")
    if variable.conveyor is not None or variable.leak is not None:
        raise Fault(f"{variable.label} in macro {macro.name} is part of a conveyor", "write the conveyor outside the macro")
    equation = variable.equations[0]
    assert equation.expr is not None
    code = builder.value(scope, equation.expr)
    if variable.role is Role.STOCK:
        builder.begins(scope, target, code)
        builder.integrates(scope, target, builder.auxiliary(scope, _net(scope, variable)))
        return
    if equation.lookup is not None:
        code = read_table(builder, scope.tables[variable.name], code)
    builder.step.append(Assign(scope.name, target, scope.loops, code))


def _net(scope: Scope, variable: Variable) -> Code:
    code: Code = Const(0.0)
    for op, names in (("+", variable.inflows), ("-", variable.outflows)):
        for name in names:
            if name not in scope.local:
                raise Fault(f"flow {name} of {variable.label} is not defined in the macro")
            code = Op(op, (code, scope.local[name]))
    return code
