//! Runs a parsed template, as Go's `text/template` runs it.

use std::rc::Rc;

use crate::error::Error;
use crate::format;
use crate::functions::versions::{self, Version};
use crate::functions::{self, Context, Function};
use crate::limits::{Limits, MAX_DEPTH};
use crate::node::{Branch, BranchKind, Call, Command, Node, Operand, OperandValue, Pipe};
use crate::parser::Templates;
use crate::value::Value;

/// A text with its templates, and what bounds them.
pub(crate) struct Program<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
    pub(crate) templates: &'a Templates,
    pub(crate) limits: Limits,
}

/// Runs the template named `name` on data.
pub(crate) fn run<'p>(program: &'p Program<'p>, data: Value, context: Context<'p>) -> Result<String, Error> {
    let mut state = State {
        program,
        context,
        output: String::new(),
        template: program.name.to_owned(),
        depth: 0,
        variables: vec![("$".to_owned(), data.clone())],
    };
    if let Some(body) = program.templates.get(program.name) {
        state.list(body, &Dot::whole(data))?;
    }
    Ok(state.output)
}

/// The value of `.`, and whether it is an element of something (Go then calls its type `interface {}`).
#[derive(Debug, Clone)]
struct Dot {
    value: Value,
    is_element: bool,
}

impl Dot {
    fn whole(value: Value) -> Self {
        Self { value, is_element: false }
    }
}

/// How a list of nodes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Through,
    Break,
    Continue,
}

struct State<'p> {
    program: &'p Program<'p>,
    context: Context<'p>,
    output: String,
    /// Name of the running template.
    template: String,
    /// Calls and nested parts that are open.
    depth: usize,
    variables: Vec<(String, Value)>,
}

/// A failure, and where it happened: position and text of the node.
type Failed<T> = Result<T, Error>;

impl State<'_> {
    fn error(&self, position: usize, node: &impl ToString, message: impl Into<String>) -> Error {
        let before = self.program.text.get(..position).unwrap_or_default();
        let column = match before.rfind('\n') {
            Some(newline) => position - newline - 1,
            None => position,
        };
        Error::Execute {
            name: self.program.name.to_owned(),
            line: 1 + before.matches('\n').count(),
            column,
            template: self.template.clone(),
            node: node.to_string(),
            message: message.into(),
        }
    }

    /// Guards recursion.
    fn nested<T>(
        &mut self,
        position: usize,
        node: &impl ToString,
        run: impl FnOnce(&mut Self) -> Failed<T>,
    ) -> Failed<T> {
        if self.depth >= MAX_DEPTH {
            let message = format!("exceeded maximum template depth ({MAX_DEPTH})");
            return Err(self.error(position, node, message));
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        result
    }

    fn write(&mut self, text: &str, position: usize, node: &impl ToString) -> Failed<()> {
        if self.output.len() + text.len() > self.program.limits.output {
            let limit = self.program.limits.output;
            return Err(self.error(position, node, format!("the output is longer than {limit} bytes")));
        }
        self.output.push_str(text);
        Ok(())
    }

    fn list(&mut self, nodes: &[Node], dot: &Dot) -> Failed<Flow> {
        for node in nodes {
            match node {
                Node::Text(text) => self.write(text, 0, &"text")?,
                Node::Action(pipe) => self.action(pipe, dot)?,
                Node::Branch(branch) => {
                    let flow =
                        self.nested(branch.pipe.position, &branch.pipe, |state| state.branch(branch, dot))?;
                    if flow != Flow::Through {
                        return Ok(flow);
                    }
                }
                Node::Template(call) => self.nested(call.position, call, |state| state.call(call, dot))?,
                Node::Break => return Ok(Flow::Break),
                Node::Continue => return Ok(Flow::Continue),
            }
        }
        Ok(Flow::Through)
    }

    /// Prints a pipeline's value, unless it sets a variable.
    fn action(&mut self, pipe: &Pipe, dot: &Dot) -> Failed<()> {
        let value = self.pipeline(pipe, dot)?;
        if !pipe.variables.is_empty() {
            return Ok(());
        }
        match &value {
            Value::Nil => self.write("<no value>", pipe.position, pipe),
            Value::Text(text) => self.write(text, pipe.position, pipe),
            other => {
                let text = format::plain(other, &mut self.context.budget)
                    .map_err(|message| self.error(pipe.position, pipe, message))?;
                self.write(&text, pipe.position, pipe)
            }
        }
    }

    fn branch(&mut self, branch: &Branch, dot: &Dot) -> Failed<Flow> {
        let scope = self.variables.len();
        let flow = match branch.kind {
            BranchKind::Range => self.range(branch, dot),
            BranchKind::If | BranchKind::With => {
                let value = self.pipeline(&branch.pipe, dot)?;
                match (value.is_true(), branch.kind) {
                    (true, BranchKind::With) => self.list(&branch.body, &Dot::whole(value)),
                    (true, _) => self.list(&branch.body, dot),
                    (false, _) => self.list(&branch.otherwise, dot),
                }
            }
        };
        self.variables.truncate(scope);
        flow
    }

    fn range(&mut self, branch: &Branch, dot: &Dot) -> Failed<Flow> {
        let pipe = &branch.pipe;
        let value = self.commands(pipe, dot)?;
        let elements: Vec<(Value, Value)> = match &value {
            Value::Nil => Vec::new(),
            Value::List(list) => {
                let numbered = list.items().iter().enumerate();
                numbered
                    .map(|(index, item)| (Value::Int(i64::try_from(index).unwrap_or(i64::MAX)), item.clone()))
                    .collect()
            }
            Value::Map(map) => {
                map.entries().iter().map(|(key, value)| (Value::Text(key.clone()), value.clone())).collect()
            }
            Value::Int(count) => {
                let count = usize::try_from(*count).unwrap_or(0);
                self.charge_items(count, pipe)?;
                (0..count).map(|_| (Value::Nil, Value::Nil)).collect()
            }
            other => {
                let text = format::plain(other, &mut self.context.budget).unwrap_or_default();
                return Err(self.error(pipe.position, pipe, format!("range can't iterate over {text}")));
            }
        };
        self.charge_items(elements.len(), pipe)?;
        if elements.is_empty() {
            return self.list(&branch.otherwise, dot);
        }
        let counts = matches!(value, Value::Int(_));
        for (position, (key, element)) in elements.into_iter().enumerate() {
            let number = Value::Int(i64::try_from(position).unwrap_or(i64::MAX));
            let (key, element) = if counts { (number.clone(), number) } else { (key, element) };
            let scope = self.variables.len();
            match &pipe.variables[..] {
                [value] => self.set_variable(pipe, value, element.clone()),
                [index, value] => {
                    self.set_variable(pipe, index, key);
                    self.set_variable(pipe, value, element.clone());
                }
                _ => {}
            }
            let flow = self.list(&branch.body, &Dot { value: element, is_element: true })?;
            self.variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::Through)
    }

    fn charge_items(&mut self, items: usize, pipe: &Pipe) -> Failed<()> {
        let charged = self.context.budget.charge_items(items.saturating_mul(2));
        charged.map_err(|message| self.error(pipe.position, pipe, message))
    }

    fn set_variable(&mut self, pipe: &Pipe, name: &str, value: Value) {
        if pipe.assigns
            && let Some(known) = self.variables.iter_mut().rev().find(|(known, _)| known == name)
        {
            known.1 = value;
        } else {
            self.variables.push((name.to_owned(), value));
        }
    }

    fn call(&mut self, call: &Call, dot: &Dot) -> Failed<()> {
        let Some(body) = self.program.templates.get(&call.name) else {
            let message = format!("template {} not defined", format::quote(&call.name));
            return Err(self.error(call.position, call, message));
        };
        let value = match &call.pipe {
            Some(pipe) => self.pipeline(pipe, dot)?,
            None => Value::Nil,
        };
        let variables = std::mem::replace(&mut self.variables, vec![("$".to_owned(), value.clone())]);
        let caller = std::mem::replace(&mut self.template, call.name.clone());
        self.list(body, &Dot::whole(value))?;
        self.variables = variables;
        self.template = caller;
        Ok(())
    }

    /// A pipeline's value; its variables are set.
    fn pipeline(&mut self, pipe: &Pipe, dot: &Dot) -> Failed<Value> {
        let value = self.commands(pipe, dot)?;
        for name in &pipe.variables {
            self.set_variable(pipe, name, value.clone());
        }
        Ok(value)
    }

    fn commands(&mut self, pipe: &Pipe, dot: &Dot) -> Failed<Value> {
        let mut value = None;
        for command in &pipe.commands {
            self.context.budget.charge(1).map_err(|message| self.error(pipe.position, pipe, message))?;
            value = Some(self.command(command, dot, value)?);
        }
        Ok(value.unwrap_or(Value::Nil))
    }

    /// A command's value; `last` is what the command before it in the pipeline gave.
    fn command(&mut self, command: &Command, dot: &Dot, last: Option<Value>) -> Failed<Value> {
        let Some((first, arguments)) = command.operands.split_first() else { return Ok(Value::Nil) };
        if let OperandValue::Function(name) = &first.value {
            return self.function(name, arguments, command.position, command, dot, last);
        }
        if !arguments.is_empty() || last.is_some() {
            if let Some(comparison) = self.compared_version(first, dot)? {
                return self.compare(comparison, first, arguments, dot, last);
            }
            let message = match &first.value {
                OperandValue::Field(names) | OperandValue::Chain(_, names) => {
                    let name = names.last().map_or("", String::as_str);
                    format!("{name} is not a method but has arguments")
                }
                OperandValue::Variable(_, names) if !names.is_empty() => {
                    let name = names.last().map_or("", String::as_str);
                    format!("{name} is not a method but has arguments")
                }
                _ => format!("can't give argument to non-function {first}"),
            };
            return Err(self.error(first.position, first, message));
        }
        if matches!(first.value, OperandValue::Nil) {
            return Err(self.error(first.position, first, "nil is not a command"));
        }
        self.operand(first, dot)
    }

    /// The value of an operand.
    fn operand(&mut self, operand: &Operand, dot: &Dot) -> Failed<Value> {
        match &operand.value {
            OperandValue::Dot => Ok(dot.value.clone()),
            OperandValue::Nil => Ok(Value::Nil),
            OperandValue::Bool(value) => Ok(Value::Bool(*value)),
            OperandValue::Int(value, _) => Ok(Value::Int(*value)),
            OperandValue::Float(value, _) => Ok(Value::Float(*value)),
            OperandValue::Text(value, _) => Ok(Value::text(value.as_str())),
            OperandValue::Field(names) => self.fields(operand, names, dot.value.clone(), dot.is_element),
            OperandValue::Variable(name, names) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                let value = known.map(|(_, value)| value.clone());
                let value = value.ok_or_else(|| {
                    self.error(operand.position, operand, format!("undefined variable: {name}"))
                })?;
                self.fields(operand, names, value, false)
            }
            OperandValue::Function(name) => self.function(name, &[], operand.position, operand, dot, None),
            OperandValue::Pipe(pipe) => {
                self.nested(operand.position, operand, |state| state.pipeline(pipe, dot))
            }
            OperandValue::Chain(inner, names) => {
                let value = self.nested(operand.position, operand, |state| state.operand(inner, dot))?;
                self.fields(operand, names, value, false)
            }
        }
    }

    /// Follows field names. A name that a map does not have gives nothing, and so does every name after it;
    /// a name of a null is an error.
    fn fields(&self, operand: &Operand, names: &[String], value: Value, is_element: bool) -> Failed<Value> {
        let mut value = value;
        let mut boxed = is_element;
        for name in names {
            let found = match &value {
                Value::Map(map) => map.entries().get(name.as_str()).cloned(),
                Value::Version(version) => {
                    let part = version
                        .part(name)
                        .map_err(|message| self.error(operand.position, operand, message))?;
                    Some(part)
                }
                Value::Nil if boxed => {
                    let message = format!("nil pointer evaluating interface {{}}.{name}");
                    return Err(self.error(operand.position, operand, message));
                }
                Value::Nil => None,
                other => {
                    let kind = if boxed { "interface {}" } else { other.type_name() };
                    let message = format!("can't evaluate field {name} in type {kind}");
                    return Err(self.error(operand.position, operand, message));
                }
            };
            match found {
                Some(found) => {
                    value = found;
                    boxed = true;
                }
                None => return Ok(Value::Nil),
            }
        }
        Ok(value)
    }

    fn function(
        &mut self,
        name: &str,
        arguments: &[Operand],
        position: usize,
        node: &impl ToString,
        dot: &Dot,
        last: Option<Value>,
    ) -> Failed<Value> {
        if matches!(name, "and" | "or") {
            return self.logic(name, arguments, position, node, dot, last);
        }
        if name == "call" {
            return self.call_value(arguments, position, node, dot, last);
        }
        let Some(function) = functions::find(name) else {
            let message = format!("{} is not a defined function", format::quote(name));
            return Err(self.error(position, node, message));
        };
        let count = arguments.len() + usize::from(last.is_some());
        function.check_count(count).map_err(|message| self.error(position, node, message))?;
        let mut values = Vec::with_capacity(count);
        for (index, argument) in arguments.iter().enumerate() {
            values.push(self.argument(function, index, argument, dot)?);
        }
        if let Some(last) = last {
            if let Some(parameter) = function.parameter(values.len()) {
                parameter.check(&last).map_err(|message| self.error(position, node, message))?;
            }
            values.push(last);
        }
        (function.run)(&mut self.context, &values)
            .map_err(|message| self.error(position, node, format!("error calling {name}: {message}")))
    }

    fn argument(
        &mut self,
        function: &Function,
        index: usize,
        argument: &Operand,
        dot: &Dot,
    ) -> Failed<Value> {
        let value = self.operand(argument, dot)?;
        let Some(parameter) = function.parameter(index) else { return Ok(value) };
        // A constant takes the type of the parameter, where Go's constants can.
        let is_constant = matches!(
            argument.value,
            OperandValue::Nil
                | OperandValue::Bool(_)
                | OperandValue::Int(..)
                | OperandValue::Float(..)
                | OperandValue::Text(..)
        );
        match parameter.check(&value) {
            Ok(()) => Ok(value),
            Err(_) if matches!(argument.value, OperandValue::Nil) => {
                let message = format!("cannot assign nil to {}", parameter.type_name());
                Err(self.error(argument.position, argument, message))
            }
            Err(_) if is_constant => {
                let kind = match parameter {
                    functions::Parameter::Int => "integer".to_owned(),
                    functions::Parameter::Text => "string".to_owned(),
                    functions::Parameter::Bool => "bool".to_owned(),
                    other => other.type_name().to_owned(),
                };
                Err(self.error(argument.position, argument, format!("expected {kind}; found {argument}")))
            }
            Err(message) => Err(self.error(argument.position, argument, message)),
        }
    }

    /// The version of which a comparison is asked, by its method's name; nothing when it is something else.
    fn compared_version(&mut self, operand: &Operand, dot: &Dot) -> Failed<Option<(Rc<Version>, String)>> {
        let (OperandValue::Variable(_, names) | OperandValue::Chain(_, names)) = &operand.value else {
            return Ok(None);
        };
        let Some((method, path)) = names.split_last().filter(|(method, _)| versions::is_comparison(method))
        else {
            return Ok(None);
        };
        let base = match &operand.value {
            OperandValue::Chain(inner, _) => {
                self.nested(operand.position, operand, |state| state.operand(inner, dot))?
            }
            OperandValue::Variable(name, _) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                known.map_or(Value::Nil, |(_, value)| value.clone())
            }
            _ => return Ok(None),
        };
        Ok(match self.fields(operand, path, base, false)? {
            Value::Version(version) => Some((version, method.clone())),
            _ => None,
        })
    }

    /// `$version.Compare $other` and its kin.
    fn compare(
        &mut self,
        (version, method): (Rc<Version>, String),
        operand: &Operand,
        arguments: &[Operand],
        dot: &Dot,
        last: Option<Value>,
    ) -> Failed<Value> {
        let mut values =
            arguments.iter().map(|argument| self.operand(argument, dot)).collect::<Failed<Vec<_>>>()?;
        values.extend(last);
        let result = match values.as_slice() {
            [Value::Version(other)] => Ok(version.compared(&method, other)),
            [other] => {
                Err(format!("wrong type for value; expected *semver.Version; got {}", other.type_name()))
            }
            _ => Err(format!("wrong number of args for {method}: want 1 got {}", values.len())),
        };
        result.map_err(|message| self.error(operand.position, operand, message))
    }

    /// `call` applies a function value, and JSON has none: it can only complain.
    fn call_value(
        &mut self,
        arguments: &[Operand],
        position: usize,
        node: &impl ToString,
        dot: &Dot,
        last: Option<Value>,
    ) -> Failed<Value> {
        let mut values =
            arguments.iter().map(|argument| self.operand(argument, dot)).collect::<Failed<Vec<_>>>()?;
        values.extend(last);
        let message = match values.first() {
            None => "wrong number of args for call: want at least 1 got 0".to_owned(),
            Some(Value::Nil) => "error calling call: call of nil".to_owned(),
            Some(value) => {
                // What came through a pipeline has no name; Go shows a text itself then.
                let callee = match (arguments.first(), value) {
                    (Some(argument), _) => argument.to_string(),
                    (None, Value::Text(text)) => text.to_string(),
                    (None, value) => format!("<{} Value>", value.type_name()),
                };
                format!("error calling call: non-function {callee} of type {}", value.type_name())
            }
        };
        Err(self.error(position, node, message))
    }

    /// `and` and `or` evaluate no more arguments than they must.
    fn logic(
        &mut self,
        name: &str,
        arguments: &[Operand],
        position: usize,
        node: &impl ToString,
        dot: &Dot,
        last: Option<Value>,
    ) -> Failed<Value> {
        let stops_on = name == "or";
        let mut value = None;
        for argument in arguments {
            let current = self.operand(argument, dot)?;
            if current.is_true() == stops_on {
                return Ok(current);
            }
            value = Some(current);
        }
        last.or(value).ok_or_else(|| {
            let message = format!("wrong number of args for {name}: want at least 1 got 0");
            self.error(position, node, message)
        })
    }
}
