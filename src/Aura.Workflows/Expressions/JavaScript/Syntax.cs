namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>A node of the syntax tree. <paramref name="Position"/> is its offset in the source.</summary>
internal abstract record Syntax(int Position);

// Expressions

internal abstract record ExpressionSyntax(int Position) : Syntax(Position);

internal sealed record LiteralSyntax(int Position, JsValue Value) : ExpressionSyntax(Position);

internal sealed record RegexSyntax(int Position, string Pattern, string Flags) : ExpressionSyntax(Position);

/// <summary>One chunk more than substitutions.</summary>
internal sealed record TemplateSyntax(
    int Position, IReadOnlyList<string> Cooked, IReadOnlyList<string> Raw, IReadOnlyList<ExpressionSyntax> Substitutions)
    : ExpressionSyntax(Position);

internal sealed record TaggedTemplateSyntax(int Position, ExpressionSyntax Tag, TemplateSyntax Template) : ExpressionSyntax(Position);

internal sealed record IdentifierSyntax(int Position, string Name) : ExpressionSyntax(Position);

internal sealed record ThisSyntax(int Position) : ExpressionSyntax(Position);

internal sealed record SuperSyntax(int Position) : ExpressionSyntax(Position);

internal sealed record NewTargetSyntax(int Position) : ExpressionSyntax(Position);

/// <summary>A null element is a hole.</summary>
internal sealed record ArraySyntax(int Position, IReadOnlyList<ExpressionSyntax?> Elements) : ExpressionSyntax(Position);

internal sealed record ObjectSyntax(int Position, IReadOnlyList<PropertySyntax> Properties) : ExpressionSyntax(Position);

internal enum PropertyKind
{
    Value,
    Getter,
    Setter,
    Spread,

    /// <summary><c>{ a = 1 }</c>, which only a pattern may hold.</summary>
    ShorthandWithDefault,
}

internal sealed record PropertySyntax(int Position, PropertyKind Kind, KeySyntax Key, ExpressionSyntax Value, bool IsShorthand = false)
    : Syntax(Position);

/// <summary>A property's key: a known name, a private name or a computed expression.</summary>
internal sealed record KeySyntax(string? Name, ExpressionSyntax? Computed = null, bool IsPrivate = false);

internal sealed record SpreadSyntax(int Position, ExpressionSyntax Argument) : ExpressionSyntax(Position);

internal sealed record FunctionSyntax(int Position, string Name, FunctionKind Kind, bool IsAsync, IReadOnlyList<ElementSyntax> Parameters,
    ExpressionSyntax? Rest, StatementSyntax Body, IReadOnlyList<string> Vars, bool UsesArguments, bool HasClosure) : ExpressionSyntax(Position)
{
    /// <summary>The name comes from <c>const name = function …</c>: it is shown, but binds nothing inside the function.</summary>
    public bool IsNamedByTarget { get; init; }
}

internal enum FunctionKind
{
    Ordinary,
    Arrow,
    Method,
    Constructor,
    DerivedConstructor,
}

internal sealed record ClassSyntax(
    int Position, string Name, ExpressionSyntax? Base, FunctionSyntax? Constructor, IReadOnlyList<ClassMemberSyntax> Members)
    : ExpressionSyntax(Position)
{
    /// <inheritdoc cref="FunctionSyntax.IsNamedByTarget"/>
    public bool IsNamedByTarget { get; init; }
}

/// <param name="Value">The method; of a field a function that computes its initial value, or null.</param>
internal sealed record ClassMemberSyntax(int Position, ClassMemberKind Kind, bool IsStatic, KeySyntax Key, FunctionSyntax? Value) : Syntax(Position);

internal enum ClassMemberKind
{
    Method,
    Getter,
    Setter,
    Field,
    StaticBlock,
}

internal sealed record UnarySyntax(int Position, string Operator, ExpressionSyntax Operand) : ExpressionSyntax(Position);

internal sealed record UpdateSyntax(int Position, bool IsIncrement, bool IsPrefix, ExpressionSyntax Target) : ExpressionSyntax(Position);

internal sealed record BinarySyntax(int Position, string Operator, ExpressionSyntax Left, ExpressionSyntax Right) : ExpressionSyntax(Position);

internal sealed record LogicalSyntax(int Position, string Operator, ExpressionSyntax Left, ExpressionSyntax Right) : ExpressionSyntax(Position);

internal sealed record PrivateInSyntax(int Position, string Name, ExpressionSyntax Right) : ExpressionSyntax(Position);

internal sealed record ConditionalSyntax(int Position, ExpressionSyntax Test, ExpressionSyntax Then, ExpressionSyntax Else)
    : ExpressionSyntax(Position);

/// <param name="Operator">Empty for a plain assignment, else the operator before the equals sign.</param>
internal sealed record AssignmentSyntax(int Position, string Operator, ExpressionSyntax Target, ExpressionSyntax Value) : ExpressionSyntax(Position);

internal sealed record SequenceSyntax(int Position, IReadOnlyList<ExpressionSyntax> Items) : ExpressionSyntax(Position);

/// <summary>A parenthesised expression: kept because <c>(a, b) =&gt;</c>, <c>({}) = 1</c> and <c>-(1) ** 2</c> need to know.</summary>
internal sealed record ParenthesizedSyntax(int Position, ExpressionSyntax Inner) : ExpressionSyntax(Position);

internal sealed record MemberSyntax(int Position, ExpressionSyntax Object, KeySyntax Key, bool IsOptional) : ExpressionSyntax(Position);

internal sealed record CallSyntax(int Position, ExpressionSyntax Callee, IReadOnlyList<ExpressionSyntax> Arguments, bool IsOptional)
    : ExpressionSyntax(Position);

/// <summary>The extent of an optional chain: what a <c>?.</c> on nothing skips.</summary>
internal sealed record ChainSyntax(int Position, ExpressionSyntax Inner) : ExpressionSyntax(Position);

internal sealed record NewSyntax(int Position, ExpressionSyntax Callee, IReadOnlyList<ExpressionSyntax> Arguments) : ExpressionSyntax(Position);

internal sealed record AwaitSyntax(int Position, ExpressionSyntax Operand) : ExpressionSyntax(Position);

// Patterns. A target is an identifier, a member or another pattern.

internal sealed record ElementSyntax(ExpressionSyntax Target, ExpressionSyntax? Default);

internal sealed record ArrayPatternSyntax(int Position, IReadOnlyList<ElementSyntax?> Elements, ExpressionSyntax? Rest) : ExpressionSyntax(Position);

internal sealed record ObjectPatternSyntax(int Position, IReadOnlyList<(KeySyntax Key, ElementSyntax Element)> Properties, ExpressionSyntax? Rest)
    : ExpressionSyntax(Position);

// Statements. HasClosure tells whether a function inside may outlive one pass through the block's bindings.

internal abstract record StatementSyntax(int Position) : Syntax(Position);

internal sealed record EmptySyntax(int Position) : StatementSyntax(Position);

internal sealed record ExpressionStatementSyntax(int Position, ExpressionSyntax Expression) : StatementSyntax(Position);

internal enum DeclarationKind
{
    Var,
    Let,
    Const,
}

internal sealed record DeclarationSyntax(int Position, DeclarationKind Kind, IReadOnlyList<DeclaratorSyntax> Declarators) : StatementSyntax(Position);

internal sealed record DeclaratorSyntax(int Position, ExpressionSyntax Target, ExpressionSyntax? Value);

internal sealed record FunctionDeclarationSyntax(int Position, FunctionSyntax Function) : StatementSyntax(Position);

internal sealed record ClassDeclarationSyntax(int Position, ClassSyntax Class) : StatementSyntax(Position);

internal sealed record BlockSyntax(int Position, IReadOnlyList<StatementSyntax> Statements, bool HasClosure) : StatementSyntax(Position);

internal sealed record IfSyntax(int Position, ExpressionSyntax Test, StatementSyntax Then, StatementSyntax? Else) : StatementSyntax(Position);

internal sealed record ForSyntax(
    int Position, StatementSyntax? Initializer, ExpressionSyntax? Test, ExpressionSyntax? Update, StatementSyntax Body, bool HasClosure)
    : StatementSyntax(Position);

/// <param name="Declaration">Null when the loop assigns to an existing target.</param>
internal sealed record ForEachSyntax(
    int Position, bool IsForOf, DeclarationKind? Declaration, ExpressionSyntax Target, ExpressionSyntax Source, StatementSyntax Body, bool HasClosure)
    : StatementSyntax(Position);

internal sealed record WhileSyntax(int Position, ExpressionSyntax Test, StatementSyntax Body, bool TestsAfterBody) : StatementSyntax(Position);

internal sealed record ReturnSyntax(int Position, ExpressionSyntax? Value) : StatementSyntax(Position);

internal sealed record JumpSyntax(int Position, bool IsBreak, string? Label) : StatementSyntax(Position);

internal sealed record ThrowSyntax(int Position, ExpressionSyntax Value) : StatementSyntax(Position);

internal sealed record TrySyntax(
    int Position, BlockSyntax Block, ExpressionSyntax? CatchTarget, BlockSyntax? Catch, BlockSyntax? Finally, bool CatchHasClosure)
    : StatementSyntax(Position);

internal sealed record SwitchSyntax(int Position, ExpressionSyntax Value, IReadOnlyList<CaseSyntax> Cases, bool HasClosure)
    : StatementSyntax(Position);

/// <param name="Test">Null for the default case.</param>
internal sealed record CaseSyntax(ExpressionSyntax? Test, IReadOnlyList<StatementSyntax> Statements);

internal sealed record LabeledSyntax(int Position, string Label, StatementSyntax Body) : StatementSyntax(Position);
