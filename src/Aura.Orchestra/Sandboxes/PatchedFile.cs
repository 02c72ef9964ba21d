using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;

namespace Aura.Orchestra.Sandboxes;

/// <summary>
/// What a file becomes by its patch. Context must match to the byte, but may have moved. Work is bounded: a patch made to search
/// for ever, or to unpack to more than a file may hold, is refused.
/// </summary>
internal sealed class PatchedFile(long maxFileBytes)
{
    private const long MaxComparisons = 20_000_000;
    private long _comparisons;

    /// <exception cref="PatchException">It does not apply; names the hunk and what stands there.</exception>
    public byte[] Apply(FilePatch patch, byte[] content)
    {
        var path = patch.NewPath ?? patch.OldPath;
        var result = patch.Binary is { } binary ? Unpack(patch, binary, content) : ApplyHunks(patch, content);
        return result.LongLength <= maxFileBytes ? result : throw new PatchException(
            RefusalCodes.TooLarge, $"The patch would make '{path}' {result.LongLength} bytes long; at most {maxFileBytes} can be written.");
    }

    private byte[] ApplyHunks(FilePatch patch, byte[] content)
    {
        if (patch.Hunks.Count == 0)
            return content;
        var lines = LinesOf(content);
        using var result = new MemoryStream(content.Length + 1024);
        var (cursor, moved) = (0, 0);
        for (var i = 0; i < patch.Hunks.Count; i++)
        {
            var hunk = patch.Hunks[i];
            var old = hunk.Lines.Where(l => l.Kind != '+').Select(l => l.Text).ToArray();
            // An empty old side names the line after which it goes.
            var expected = Math.Clamp((old.Length == 0 ? hunk.Start : hunk.Start - 1) + moved, cursor, lines.Count);
            var at = Find(lines, old, cursor, expected, hunk);
            if (at < 0)
                throw Rejected(patch, i, old, lines, expected);
            for (; cursor < at; cursor++)
                result.Write(content.AsSpan(lines[cursor]));
            foreach (var line in hunk.Lines.Where(l => l.Kind != '-'))
                result.Write(line.Text);
            moved = at - (old.Length == 0 ? hunk.Start : hunk.Start - 1);
            cursor = at + old.Length;
            if (result.Length > maxFileBytes)
                throw new PatchException(RefusalCodes.TooLarge, $"The patch would make '{patch.NewPath}' longer than {maxFileBytes} bytes.");
        }

        for (; cursor < lines.Count; cursor++)
            result.Write(content.AsSpan(lines[cursor]));
        return result.ToArray();

        int Find(List<Range> all, byte[][] old, int from, int expected, Hunk hunk)
        {
            if (old.Length == 0)
            {
                // Nothing to hold on to: only the ends of the file are sure places.
                return all.Count == 0 || expected >= all.Count ? all.Count : from == 0 && expected == 0 ? 0 : throw new PatchException(
                    $"Hunk '{hunk.Header}' of '{patch.NewPath}' has no context. Give at least one unchanged line beside the added ones.");
            }

            for (var distance = 0; expected - distance >= from || expected + distance + old.Length <= all.Count; distance++)
            {
                if (Matches(all, old, expected - distance, from))
                    return expected - distance;
                if (distance > 0 && Matches(all, old, expected + distance, from))
                    return expected + distance;
            }

            return -1;
        }

        bool Matches(List<Range> all, byte[][] old, int at, int from)
        {
            if (at < from || at + old.Length > all.Count)
                return Count();
            for (var i = 0; i < old.Length; i++)
            {
                Count();
                if (!content.AsSpan(all[at + i]).SequenceEqual(old[i]))
                    return false;
            }

            return true;
        }

        bool Count() => ++_comparisons > MaxComparisons
            ? throw new PatchException(RefusalCodes.TooLarge, "The patch takes too long to apply: too many hunks for too many like lines.") : false;

        PatchException Rejected(FilePatch file, int index, byte[][] old, List<Range> all, int expected)
        {
            var hunk = file.Hunks[index];
            var text = new StringBuilder(
                $"Hunk {index + 1} of {file.Hunks.Count} ('{hunk.Header}') of '{file.OldPath ?? file.NewPath}' does not apply: ");
            text.Append("its context and deleted lines are not in the file");
            if (old.Any(l => !l.AsSpan().EndsWith("\r\n"u8)) && content.AsSpan().IndexOf("\r\n"u8) >= 0)
                text.Append(" (the file's lines end with CR LF)");
            text.Append(".\nWanted:\n");
            foreach (var line in old.Take(8))
                text.Append("  ").Append(Shown(line)).Append('\n');
            var first = Math.Clamp(expected - 2, 0, Math.Max(0, all.Count - 1));
            text.Append($"The file from line {first + 1}:\n");
            foreach (var (number, line) in all.Index().Skip(first).Take(8))
                text.Append(CultureInfo.InvariantCulture, $"{number + 1,5} | {Shown(content.AsSpan(line))}\n");
            return new(text.Append("Read the file again and make the patch against what it holds now.").ToString());
        }
    }

    private static string Shown(ReadOnlySpan<byte> line)
    {
        var text = Encoding.UTF8.GetString(line[..Math.Min(line.Length, 160)]).TrimEnd('\n', '\r');
        return string.Concat(text.Select(c => c == '\t' ? ' ' : char.IsControl(c) ? '?' : c));
    }

    private static List<Range> LinesOf(byte[] content)
    {
        var lines = new List<Range>();
        for (var at = 0; at < content.Length;)
        {
            var end = content.AsSpan(at).IndexOf((byte)'\n');
            var next = end < 0 ? content.Length : at + end + 1;
            lines.Add(at..next);
            at = next;
        }

        return lines;
    }

    private byte[] Unpack(FilePatch patch, BinaryPatch binary, byte[] content)
    {
        var path = patch.NewPath ?? patch.OldPath;
        if (patch.OldBlob is not { Length: 40 } || patch.NewBlob is not { Length: 40 })
            throw new PatchException($"The binary patch of '{path}' has no 'index' line with full object ids.");
        if (!patch.IsNew && BlobId(content) != patch.OldBlob)
            throw new PatchException($"The binary patch of '{path}' was made against another version of the file.");
        var unpacked = Inflate(binary, path);
        var result = binary.IsDelta ? ApplyDelta(unpacked, content, path) : unpacked;
        return patch.IsDeleted || BlobId(result) == patch.NewBlob ? result
            : throw new PatchException($"The binary patch of '{path}' is damaged: its result is not what its 'index' line says.");
    }

    private static byte[] Inflate(BinaryPatch binary, string? path)
    {
        // One byte more than announced: what unpacks to more than it says is refused without being unpacked.
        var buffer = new byte[binary.Size + 1];
        try
        {
            using var stream = new ZLibStream(new MemoryStream(binary.Packed), CompressionMode.Decompress);
            var length = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            return length == binary.Size ? buffer[..length]
                : throw new PatchException($"The binary patch of '{path}' does not unpack to the {binary.Size} bytes that it announces.");
        }
        catch (InvalidDataException)
        {
            throw new PatchException($"The binary patch of '{path}' cannot be unpacked.");
        }
    }

    // git's delta: two sizes, then either "copy from the old file" or "these bytes".
    private byte[] ApplyDelta(byte[] delta, byte[] content, string? path)
    {
        var at = 0;
        if (Size() != content.Length || Size() is not (>= 0 and var size) || size > maxFileBytes)
            throw Damaged();
        var result = new byte[size];
        var written = 0;
        while (at < delta.Length)
        {
            var command = delta[at++];
            var (from, length, source) = (0, (int)command, delta);
            if ((command & 0x80) != 0)
            {
                for (var (bit, shift) = (0x01, 0); bit <= 0x08; bit <<= 1, shift += 8)
                    from |= (command & bit) != 0 ? Next() << shift : 0;
                length = 0;
                for (var (bit, shift) = (0x10, 0); bit <= 0x40; bit <<= 1, shift += 8)
                    length |= (command & bit) != 0 ? Next() << shift : 0;
                (length, source) = (length == 0 ? 0x10000 : length, content);
            }
            else
            {
                from = at;
                at += length;
            }

            if (length == 0 || from < 0 || from > source.Length - length || length > result.Length - written)
                throw Damaged();
            source.AsSpan(from, length).CopyTo(result.AsSpan(written));
            written += length;
        }

        return written == result.Length ? result : throw Damaged();

        int Next() => at < delta.Length ? delta[at++] : throw Damaged();

        int Size()
        {
            var number = 0L;
            for (var shift = 0; shift < 35; shift += 7)
            {
                var next = Next();
                number |= (long)(next & 0x7f) << shift;
                if ((next & 0x80) == 0)
                    return number <= int.MaxValue ? (int)number : -1;
            }

            return -1;
        }

        PatchException Damaged() => new($"The binary delta of '{path}' is damaged or was made against another version of the file.");
    }

    // SHA-1 because git's object ids are: it finds a stale patch here and proves nothing.
#pragma warning disable CA5350
    private static string BlobId(byte[] content) =>
        Convert.ToHexStringLower(SHA1.HashData([.. Encoding.ASCII.GetBytes($"blob {content.Length}\0"), .. content]));
#pragma warning restore CA5350
}

/// <summary>git's own base 85: a letter for the length of a line, then five characters for four bytes.</summary>
internal static class Base85
{
    private const string Alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

    public static bool TryDecode(string line, List<byte> into)
    {
        var length = line[0] switch
        {
            >= 'A' and <= 'Z' => line[0] - 'A' + 1,
            >= 'a' and <= 'z' => line[0] - 'a' + 27,
            _ => -1,
        };
        if (length < 0 || line.Length != 1 + ((length + 3) / 4 * 5))
            return false;
        for (var at = 1; at < line.Length; at += 5)
        {
            var number = 0L;
            for (var i = 0; i < 5; i++)
            {
                var digit = Alphabet.IndexOf(line[at + i], StringComparison.Ordinal);
                if (digit < 0)
                    return false;
                number = (number * 85) + digit;
            }

            if (number > uint.MaxValue)
                return false;
            for (var shift = 24; shift >= 0 && length > 0; shift -= 8, length--)
                into.Add((byte)(number >> shift));
        }

        return true;
    }
}
