namespace Aura.Workflows.Expressions.JavaScript;

internal enum JsType
{
    Undefined,
    Null,
    Boolean,
    Number,
    String,
    Symbol,
    Object,
}

/// <summary>
/// A value of the language, without boxing: the reference tells the type (nothing is undefined, a tag is a primitive
/// whose content is the number) or is itself the string, symbol or object.
/// </summary>
internal readonly struct JsValue
{
    private static readonly Tag NumberTag = new(JsType.Number);
    private static readonly Tag BooleanTag = new(JsType.Boolean);
    private static readonly Tag NullTag = new(JsType.Null);
    private static readonly Tag AbsentTag = new(JsType.Undefined);

    private readonly object? _reference;
    private readonly double _number;

    private JsValue(object? reference, double number = 0)
    {
        _reference = reference;
        _number = number;
    }

    public static JsValue Undefined => default;

    public static JsValue Null => new(NullTag);

    /// <summary>
    /// Stands where there is no value at all: a variable before its declaration has run, a hole in an array,
    /// the rest of an optional chain. It never reaches a script.
    /// </summary>
    public static JsValue Absent => new(AbsentTag);

    public static JsValue NaN => new(NumberTag, double.NaN);

    public static implicit operator JsValue(double number) => new(NumberTag, number);

    public static implicit operator JsValue(bool boolean) => new(BooleanTag, boolean ? 1 : 0);

    public static implicit operator JsValue(string text) => new(text);

    public static implicit operator JsValue(ConcatenatedText text) => new(text);

    public static implicit operator JsValue(JsObject @object) => new(@object);

    public static implicit operator JsValue(JsSymbol symbol) => new(symbol);

    /// <summary>Nothing becomes undefined.</summary>
    public static JsValue OrUndefined(JsObject? @object) => new(@object);

    public JsType Type => _reference switch
    {
        null => JsType.Undefined,
        Tag tag => tag.Type,
        string or ConcatenatedText => JsType.String,
        JsObject => JsType.Object,
        _ => JsType.Symbol,
    };

    public bool IsUndefined => _reference is null;

    public bool IsNull => ReferenceEquals(_reference, NullTag);

    public bool IsNullish => _reference is null || ReferenceEquals(_reference, NullTag);

    public bool IsAbsent => ReferenceEquals(_reference, AbsentTag);

    public bool IsNumber => ReferenceEquals(_reference, NumberTag);

    public bool IsBoolean => ReferenceEquals(_reference, BooleanTag);

    public bool IsString => _reference is string or ConcatenatedText;

    public bool IsObject => _reference is JsObject;

    public double Number => _number;

    public bool Boolean => _number != 0;

    public JsObject? AsObject() => _reference as JsObject;

    public T? As<T>()
        where T : class
        => _reference as T;

    /// <summary>Of a string only.</summary>
    public string AsString() => _reference as string ?? ((ConcatenatedText)_reference!).ToString();

    /// <summary>Of a string only; does not put a concatenated text together.</summary>
    public int TextLength => _reference is string text ? text.Length : ((ConcatenatedText)_reference!).Length;

    /// <summary>Undefined in the place of <see cref="Absent"/>.</summary>
    public JsValue OrUndefined() => IsAbsent ? default : this;

    public bool StrictlyEquals(JsValue other)
    {
        if (ReferenceEquals(_reference, other._reference))
            return (!IsNumber && !IsBoolean) || _number == other._number;
        return IsString && other.IsString && TextLength == other.TextLength && AsString() == other.AsString();
    }

    /// <summary>Like <see cref="StrictlyEquals"/>, but NaN equals itself. What Map, Set and includes compare with.</summary>
    public bool SameValueZero(JsValue other) =>
        StrictlyEquals(other) || (IsNumber && other.IsNumber && double.IsNaN(_number) && double.IsNaN(other._number));

    public bool SameValue(JsValue other) => IsNumber && other.IsNumber
        ? _number.Equals(other._number) && double.IsNegative(_number) == double.IsNegative(other._number)
        : StrictlyEquals(other);

    public override string ToString() => Type switch
    {
        JsType.String => AsString(),
        JsType.Number => Numbers.ToText(_number),
        JsType.Boolean => Boolean ? "true" : "false",
        JsType.Null => "null",
        JsType.Undefined => "undefined",
        _ => _reference!.ToString()!,
    };

    private sealed class Tag(JsType type)
    {
        public JsType Type => type;
    }
}

/// <summary>Compares the keys of Map and Set.</summary>
internal sealed class SameValueZeroComparer : IEqualityComparer<JsValue>
{
    public static readonly SameValueZeroComparer Instance = new();

    public bool Equals(JsValue x, JsValue y) => x.SameValueZero(y);

    public int GetHashCode(JsValue value) => value.Type switch
    {
        JsType.String => value.AsString().GetHashCode(StringComparison.Ordinal),
        // 0.0 and -0.0 are one key, but have two hash codes.
        JsType.Number => (value.Number + 0.0).GetHashCode(),
        JsType.Boolean => value.Boolean ? 1 : 2,
        JsType.Object or JsType.Symbol => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(value.As<object>()),
        _ => (int)value.Type,
    };
}

/// <summary>A text that was added up and not yet read: adding in a loop stays linear.</summary>
internal sealed class ConcatenatedText
{
    private readonly Budget _budget;
    private object? _left;
    private object? _right;
    private string? _text;

    private ConcatenatedText(object left, object right, int length, Budget budget)
    {
        _budget = budget;
        _left = left;
        _right = right;
        Length = length;
    }

    private const int ShortLength = 64;
    private const int NodeBytes = 56;

    public int Length { get; }

    public static JsValue Concatenate(JsValue left, JsValue right, Budget budget)
    {
        if (left.TextLength == 0)
            return right;
        if (right.TextLength == 0)
            return left;
        var length = (long)left.TextLength + right.TextLength;
        if (length <= ShortLength)
        {
            budget.AllocateText(length);
            return left.AsString() + right.AsString();
        }

        // What is on the left was paid for when it was made.
        budget.AllocateText(Math.Min(left.TextLength, right.TextLength));
        budget.Allocate(NodeBytes);
        return new ConcatenatedText(left.As<object>()!, right.As<object>()!, checked((int)length), budget);
    }

    public override string ToString() => _text ??= Flatten();

    /// <summary>Without recursion: the tree is as deep as the loop that made it was long.</summary>
    private string Flatten()
    {
        _budget.StepText(Length);
        var text = string.Create(Length, this, static (target, root) =>
        {
            var end = target.Length;
            var pending = new Stack<object>();
            pending.Push(root);
            while (pending.TryPop(out var item))
            {
                var flat = item as string ?? ((ConcatenatedText)item)._text;
                if (flat is not null)
                {
                    end -= flat.Length;
                    flat.CopyTo(target[end..]);
                }
                else
                {
                    var node = (ConcatenatedText)item;
                    pending.Push(node._left!);
                    pending.Push(node._right!);
                }
            }
        });
        _left = _right = null;
        return text;
    }
}

/// <summary>A symbol. Private class members are kept under symbols that scripts cannot get hold of.</summary>
internal sealed class JsSymbol(string? description, bool isPrivate = false)
{
    public static readonly JsSymbol Iterator = new("Symbol.iterator");
    public static readonly JsSymbol AsyncIterator = new("Symbol.asyncIterator");
    public static readonly JsSymbol HasInstance = new("Symbol.hasInstance");
    public static readonly JsSymbol ToPrimitive = new("Symbol.toPrimitive");
    public static readonly JsSymbol ToStringTag = new("Symbol.toStringTag");

    public string? Description => description;

    public bool IsPrivate => isPrivate;

    public override string ToString() => $"Symbol({description})";
}
