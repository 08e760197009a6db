-- Reads SeriesChunk (Shared/Wire/FORMAT.md) with plain SQL and PL/pgSQL, so that psql alone can read a sealed hour:
--
--     SELECT * FROM timeseries.unseal('2026-01-01 00:00:00+00', '\x4d04010a1e…');
--
-- Bytes are looked at as a bit string; "at" is the next bit, from 1. Whatever the bytes are, it ends with rows or an error.

-- Sum modulo 2^64.
CREATE FUNCTION timeseries.wrapping_sum(a int8, b int8) RETURNS int8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN a BETWEEN -4611686018427387904 AND 4611686018427387903 AND b BETWEEN -4611686018427387904 AND 4611686018427387903 THEN a + b
    ELSE (mod(a::numeric + b + 27670116110564327424, 18446744073709551616) - 9223372036854775808)::int8
END;

CREATE FUNCTION timeseries.unzigzag(code int8) RETURNS int8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ((code >> 1) & 9223372036854775807) # -(code & 1);

-- The double with these 64 bits. Built by arithmetic that is exact at every step; the powers of two go in two halves, so that no
-- half is out of range. A NaN keeps sign and payload but becomes quiet.
CREATE FUNCTION timeseries.double_of(pattern int8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    exponent int := (pattern >> 52) & 2047;
    fraction int8 := pattern & 4503599627370495;
    half int := (exponent - 1075) / 2;
    magnitude float8;
BEGIN
    IF exponent = 2047 AND fraction <> 0 THEN
        -- A form of the C library's, which PostgreSQL reads with it.
        RETURN format('%snan(%s)', CASE WHEN pattern < 0 THEN '-' END, fraction & 2251799813685247)::float8;
    ELSIF exponent = 2047 THEN
        magnitude := 'Infinity';
    ELSIF exponent = 0 THEN
        magnitude := fraction::float8 * power(2::float8, -537) * power(2::float8, -537);
    ELSE
        magnitude := (fraction + 4503599627370496)::float8 * power(2::float8, half) * power(2::float8, exponent - 1075 - half);
    END IF;
    RETURN CASE WHEN pattern < 0 THEN -magnitude ELSE magnitude END;
END $$;

CREATE FUNCTION timeseries.bits_of(number float8) RETURNS int8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('x' || encode(float8send(number), 'hex'))::bit(64)::int8;

-- A varint: seven bits a byte, least significant first. 64 bits come out as their two's complement.
CREATE FUNCTION timeseries.read_varint(bits varbit, INOUT at int, OUT number int8)
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    byte int := 128;
    shift int := 0;
BEGIN
    number := 0;
    WHILE byte >= 128 LOOP
        IF at + 7 > length(bits) OR shift > 63 THEN
            RAISE EXCEPTION 'not a series chunk: no varint at byte %', (at - 1) / 8 USING ERRCODE = 'data_corrupted';
        END IF;
        byte := substring(bits FROM at FOR 8)::bit(8)::int;
        number := number | ((byte & 127)::int8 << shift);
        shift := shift + 7;
        at := at + 8;
    END LOOP;
END $$;

-- A bit stream of signed codes; moves to the byte after it.
CREATE FUNCTION timeseries.read_codes(bits varbit, INOUT at int, amount int, OUT numbers int8[])
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    word int8;
    code int8;
BEGIN
    numbers := '{}';
    FOR i IN 1..amount LOOP
        -- 42 bits hold every code but the longest; what lies beyond the end reads as zeros.
        word := substring(bits FROM at FOR 42)::bit(42)::int8;
        IF word < 2199023255552 THEN
            code := 0;
            at := at + 1;
        ELSIF word < 3298534883328 THEN
            code := word >> 37 & 7;
            at := at + 5;
        ELSIF word < 3848290697216 THEN
            code := word >> 33 & 63;
            at := at + 9;
        ELSIF word < 4123168604160 THEN
            code := word >> 26 & 4095;
            at := at + 16;
        ELSIF word < 4260607557632 THEN
            code := word >> 17 & 1048575;
            at := at + 25;
        ELSIF word < 4329327034368 THEN
            code := word & 68719476735;
            at := at + 42;
        ELSE
            code := substring(bits FROM at + 6 FOR 64)::bit(64)::int8;
            at := at + 70;
        END IF;
        EXIT WHEN at > length(bits) + 1;
        numbers[i] := timeseries.unzigzag(code);
    END LOOP;
    IF at > length(bits) + 1 THEN
        RAISE EXCEPTION 'not a series chunk: a column goes beyond the end' USING ERRCODE = 'data_corrupted';
    END IF;
    at := (at + 6) / 8 * 8 + 1;
END $$;

-- A first number and the differences between the others.
CREATE FUNCTION timeseries.read_integers(bits varbit, INOUT at int, amount int, OUT numbers int8[])
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    number int8;
    codes int8[];
BEGIN
    SELECT v.at, timeseries.unzigzag(v.number) INTO at, number FROM timeseries.read_varint(bits, at) v;
    SELECT c.at, c.numbers INTO at, codes FROM timeseries.read_codes(bits, at, amount - 1) c;
    numbers := ARRAY[number];
    FOR i IN 2..amount LOOP
        number := timeseries.wrapping_sum(number, codes[i - 1]);
        numbers[i] := number;
    END LOOP;
END $$;

-- Doubles by the bits in which each differs from the one before.
CREATE FUNCTION timeseries.read_doubles(bits varbit, INOUT at int, amount int, OUT numbers float8[])
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    pattern int8 := substring(bits FROM at FOR 64)::bit(64)::int8;
    word int;
    zeros int := 0;
    size int := 0;
BEGIN
    at := at + 64;
    numbers := ARRAY[timeseries.double_of(pattern)];
    FOR i IN 2..amount LOOP
        word := substring(bits FROM at FOR 13)::bit(13)::int;
        at := at + CASE WHEN word < 4096 THEN 1 WHEN word < 6144 THEN 2 ELSE 13 END;
        IF word >= 6144 THEN
            zeros := word >> 6 & 31;
            size := (word & 63) + 1;
        END IF;
        EXIT WHEN at > length(bits) + 1 OR zeros + size > 64 OR word >= 4096 AND size = 0;
        IF word >= 4096 THEN
            pattern := pattern # (substring(bits FROM at FOR size)::bit(64) >> zeros)::int8;
            at := at + size;
        END IF;
        numbers[i] := timeseries.double_of(pattern);
    END LOOP;
    IF at > length(bits) + 1 OR cardinality(numbers) < amount THEN
        RAISE EXCEPTION 'not a series chunk: a column of doubles is damaged' USING ERRCODE = 'data_corrupted';
    END IF;
    at := (at + 6) / 8 * 8 + 1;
END $$;

-- Short decimals, exact (near = false) or beside the doubles.
CREATE FUNCTION timeseries.read_decimals(bits varbit, INOUT at int, amount int, near bool, OUT numbers float8[])
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    power float8 := 10::float8 ^ (substring(bits FROM at FOR 8)::bit(8)::int & 7);
    mantissas int8[];
    codes int8[];
BEGIN
    SELECT n.at, n.numbers INTO at, mantissas FROM timeseries.read_integers(bits, at + 8, amount) n;
    IF near THEN
        SELECT c.at, c.numbers INTO at, codes FROM timeseries.read_codes(bits, at, amount) c;
        numbers := ARRAY(
            SELECT CASE c WHEN 0 THEN m / power ELSE timeseries.double_of(timeseries.wrapping_sum(timeseries.bits_of(m / power), c)) END
            FROM unnest(mantissas, codes) WITH ORDINALITY AS v (m, c, i) ORDER BY i);
    ELSE
        numbers := ARRAY(SELECT m / power FROM unnest(mantissas) WITH ORDINALITY AS v (m, i) ORDER BY i);
    END IF;
END $$;

-- Texts, each with its length.
CREATE FUNCTION timeseries.read_texts(bits varbit, points bytea, INOUT at int, amount int, OUT texts text[])
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    size int8;
BEGIN
    FOR i IN 1..amount LOOP
        SELECT v.at, v.number INTO at, size FROM timeseries.read_varint(bits, at) v;
        IF size < 0 OR size > 4096 OR at + 8 * size > length(bits) + 1 THEN
            RAISE EXCEPTION 'not a series chunk: a text goes beyond the end' USING ERRCODE = 'data_corrupted';
        END IF;
        texts[i] := convert_from(substring(points FROM (at + 7) / 8 FOR size::int), 'UTF8');
        at := at + 8 * size;
    END LOOP;
END $$;

-- A run of values of one type, at most "room" of them. The arrays of the other types are null.
CREATE FUNCTION timeseries.read_run(
    bits varbit, points bytea, INOUT at int, room int,
    OUT amount int, OUT doubles float8[], OUT ints int8[], OUT bools bool[], OUT texts text[]
) LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    size int8;
    shape int;
    written int;
BEGIN
    SELECT v.at, v.number INTO at, size FROM timeseries.read_varint(bits, at) v;
    shape := substring(bits FROM at FOR 8)::bit(8)::int;
    IF size < 1 OR size > room OR shape > 12 OR shape IN (6, 7) OR at + 8 > length(bits) THEN
        RAISE EXCEPTION 'not a series chunk: no run at byte %', (at - 1) / 8 USING ERRCODE = 'data_corrupted';
    END IF;
    amount := size;
    at := at + 8;
    -- A constant run is a column of one value.
    written := CASE WHEN shape & 8 = 0 THEN amount ELSE 1 END;
    CASE shape & 7
        WHEN 0 THEN
            -- Alone it lies with its least significant byte first.
            IF shape = 8 THEN
                doubles := ARRAY[timeseries.double_of(
                    (SELECT bit_or(get_byte(points, (at - 1) / 8 + i)::int8 << 8 * i) FROM generate_series(0, 7) i))];
                at := at + 64;
            ELSE
                SELECT n.at, n.numbers INTO at, doubles FROM timeseries.read_doubles(bits, at, written) n;
            END IF;
        WHEN 1 THEN SELECT n.at, n.numbers INTO at, ints FROM timeseries.read_integers(bits, at, written) n;
        WHEN 2 THEN
            bools := ARRAY(SELECT get_bit(bits, at - 1 + i) = 1 FROM generate_series(CASE WHEN shape = 2 THEN 0 ELSE 7 END,
                CASE WHEN shape = 2 THEN written - 1 ELSE 7 END) i);
            at := at + (written + 7) / 8 * 8;
        WHEN 3 THEN SELECT t.at, t.texts INTO at, texts FROM timeseries.read_texts(bits, points, at, written) t;
        ELSE SELECT n.at, n.numbers INTO at, doubles FROM timeseries.read_decimals(bits, at, written, shape = 5) n;
    END CASE;
    IF shape >= 8 THEN
        doubles := CASE WHEN doubles IS NOT NULL THEN array_fill(doubles[1], ARRAY[amount]) END;
        ints := CASE WHEN ints IS NOT NULL THEN array_fill(ints[1], ARRAY[amount]) END;
        bools := CASE WHEN bools IS NOT NULL THEN array_fill(bools[1], ARRAY[amount]) END;
        texts := CASE WHEN texts IS NOT NULL THEN array_fill(texts[1], ARRAY[amount]) END;
    END IF;
END $$;

-- Times as microseconds from the base.
CREATE FUNCTION timeseries.read_times(bits varbit, INOUT at int, amount int, flags int, OUT times int8[])
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    unit int8 := (ARRAY[1, 1000, 1000000])[flags / 4 + 1];
    instant int8;
    step int8 := 0;
    codes int8[];
BEGIN
    SELECT v.at, timeseries.unzigzag(v.number) INTO at, instant FROM timeseries.read_varint(bits, at) v;
    IF flags & 2 <> 0 THEN
        SELECT v.at, timeseries.unzigzag(v.number) INTO at, step FROM timeseries.read_varint(bits, at) v;
        times := ARRAY(SELECT instant + i * step * unit FROM generate_series(0, amount - 1) i ORDER BY i);
        RETURN;
    END IF;
    SELECT c.at, c.numbers INTO at, codes FROM timeseries.read_codes(bits, at, amount - 1) c;
    times := ARRAY[instant];
    FOR i IN 2..amount LOOP
        step := step + codes[i - 1];
        instant := instant + step * unit;
        times[i] := instant;
    END LOOP;
END $$;

-- Pairs of a length and a quality until all points are covered.
CREATE FUNCTION timeseries.read_qualities(bits varbit, INOUT at int, amount int, OUT qualities int2[])
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    size int8;
BEGIN
    qualities := '{}';
    WHILE cardinality(qualities) < amount LOOP
        SELECT v.at, v.number INTO at, size FROM timeseries.read_varint(bits, at) v;
        IF size < 1 OR size > amount - cardinality(qualities) OR at + 7 > length(bits) THEN
            RAISE EXCEPTION 'not a series chunk: no quality at byte %', (at - 1) / 8 USING ERRCODE = 'data_corrupted';
        END IF;
        qualities := qualities || array_fill(substring(bits FROM at FOR 8)::bit(8)::int::int2, ARRAY[size::int]);
        at := at + 8;
    END LOOP;
END $$;

-- The points of a chunk in their order; "base" is the beginning of its hour.
CREATE FUNCTION timeseries.unseal(base timestamptz, points bytea) RETURNS TABLE (
    "time" timestamptz, quality int2, value_double float8, value_int int8, value_bool bool, value_text text
) LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    bits varbit := ('x' || encode(points, 'hex'))::varbit;
    at int := 33;
    flags int;
    amount int8;
    done int := 0;
    times int8[];
    run record;
    doubles float8[];
    ints int8[];
    bools bool[];
    texts text[];
    qualities int2[];
BEGIN
    IF octet_length(points) < 5 OR substring(points FOR 2) <> '\x4d04' OR get_byte(points, 2) = 0 OR get_byte(points, 3) > 11 THEN
        RAISE EXCEPTION 'not a series chunk, or one of a newer platform' USING ERRCODE = 'data_corrupted';
    END IF;
    flags := get_byte(points, 3);
    SELECT v.at, v.number INTO at, amount FROM timeseries.read_varint(bits, at) v;
    IF amount < 0 OR amount > 1048576 THEN
        RAISE EXCEPTION 'not a series chunk: % points', amount USING ERRCODE = 'data_corrupted';
    END IF;
    IF amount > 0 THEN
        SELECT t.at, t.times INTO at, times FROM timeseries.read_times(bits, at, amount::int, flags) t;
    END IF;
    WHILE done < amount LOOP
        SELECT r.* INTO run FROM timeseries.read_run(bits, points, at, (amount - done)::int) r;
        at := run.at;
        done := done + run.amount;
        doubles := doubles || coalesce(run.doubles, array_fill(NULL::float8, ARRAY[run.amount]));
        ints := ints || coalesce(run.ints, array_fill(NULL::int8, ARRAY[run.amount]));
        bools := bools || coalesce(run.bools, array_fill(NULL::bool, ARRAY[run.amount]));
        texts := texts || coalesce(run.texts, array_fill(NULL::text, ARRAY[run.amount]));
    END LOOP;
    IF flags & 1 <> 0 THEN
        SELECT q.at, q.qualities INTO at, qualities FROM timeseries.read_qualities(bits, at, amount::int) q;
    END IF;
    IF at > length(bits) + 1 OR get_byte(points, 2) = 1 AND at <= length(bits) THEN
        RAISE EXCEPTION 'not a series chunk: it ends at byte %', (at - 1) / 8 USING ERRCODE = 'data_corrupted';
    END IF;
    RETURN QUERY
        SELECT base + t / 1000000 * interval '1 second' + t % 1000000 * interval '1 microsecond', coalesce(q, 0::int2), d, i, b, s
        FROM unnest(times, qualities, doubles, ints, bools, texts) WITH ORDINALITY AS v (t, q, d, i, b, s, n) ORDER BY n;
END $$;
