;; Estimates of cosines from sign codes. See code-kernel.ts for the layout of the memory.
;; Compiled with wabt 1.0.39 and put into code-kernel.ts as base64: wat2wasm code-kernel.wat -o code-kernel.wasm
(module
  (memory (import "m" "memory") 1)
  ;; Writes to $out the buckets (of 4096 over -2 to 2, as 16 bits) of the 16 estimates of the block at $p: $signs times 16
  ;; bytes of signs, 16 float32 factors, 16 float32 offsets. $table has two tables of 16 bytes for each byte of signs.
  (func $block (param $p i32) (param $signs i32) (param $table i32) (param $out i32)
    (param $a v128) (param $c v128) (param $k v128)
    (local $end i32) (local $x v128) (local $t v128) (local $even v128) (local $odd v128) (local $low v128)
    (local.set $low (v128.const i8x16 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15))
    (local.set $end (i32.add (local.get $p) (i32.shl (local.get $signs) (i32.const 4))))
    (loop $pair
      ;; The sums of four entries of at most 63 fit into a byte.
      (local.set $x (v128.load (local.get $p)))
      (local.set $t (i8x16.add
        (i8x16.swizzle (v128.load (local.get $table)) (v128.and (local.get $x) (local.get $low)))
        (i8x16.swizzle (v128.load offset=16 (local.get $table))
          (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (local.get $low)))))
      (local.set $x (v128.load offset=16 (local.get $p)))
      (local.set $t (i8x16.add (local.get $t) (i8x16.add
        (i8x16.swizzle (v128.load offset=32 (local.get $table)) (v128.and (local.get $x) (local.get $low)))
        (i8x16.swizzle (v128.load offset=48 (local.get $table))
          (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (local.get $low))))))
      ;; The bytes of odd records shifted away from the even ones', so that sums have 16 bits.
      (local.set $odd (i16x8.add (local.get $odd) (i16x8.shr_u (local.get $t) (i32.const 8))))
      (local.set $even (i16x8.add (local.get $even)
        (v128.and (local.get $t) (v128.const i16x8 255 255 255 255 255 255 255 255))))
      (local.set $table (i32.add (local.get $table) (i32.const 64)))
      (br_if $pair (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 32))) (local.get $end))))
    (v128.store (local.get $out)
      (i8x16.shuffle 0 1 16 17 2 3 18 19 4 5 20 21 6 7 22 23 (local.get $even) (local.get $odd)))
    (v128.store offset=16 (local.get $out)
      (i8x16.shuffle 8 9 24 25 10 11 26 27 12 13 28 29 14 15 30 31 (local.get $even) (local.get $odd)))
    ;; Each sum becomes a bucket: $k + 1024 * offset + factor * ($c + $a * sum), rounded by adding 2^23, after which the last
    ;; bits are the whole number. What is not a number becomes 0.
    (local.set $end (i32.add (local.get $p) (i32.const 64)))
    (loop $eight
      (v128.store (local.get $out) (i16x8.narrow_i32x4_u
        (v128.and (v128.const i32x4 4095 4095 4095 4095) (f32x4.add (v128.const f32x4 8388608 8388608 8388608 8388608)
          (f32x4.pmin (v128.const f32x4 4095 4095 4095 4095) (f32x4.pmax (v128.const f32x4 0 0 0 0) (f32x4.add
            (f32x4.add (local.get $k)
              (f32x4.mul (v128.const f32x4 1024 1024 1024 1024) (v128.load offset=64 (local.get $p))))
            (f32x4.mul (v128.load (local.get $p)) (f32x4.add (local.get $c)
              (f32x4.mul (local.get $a) (f32x4.convert_i32x4_s (v128.load16x4_u (local.get $out)))))))))))
        (v128.and (v128.const i32x4 4095 4095 4095 4095) (f32x4.add (v128.const f32x4 8388608 8388608 8388608 8388608)
          (f32x4.pmin (v128.const f32x4 4095 4095 4095 4095) (f32x4.pmax (v128.const f32x4 0 0 0 0) (f32x4.add
            (f32x4.add (local.get $k)
              (f32x4.mul (v128.const f32x4 1024 1024 1024 1024) (v128.load offset=80 (local.get $p))))
            (f32x4.mul (v128.load offset=16 (local.get $p)) (f32x4.add (local.get $c)
              (f32x4.mul (local.get $a) (f32x4.convert_i32x4_s (v128.load16x4_u offset=8 (local.get $out)))))))))))))
      (local.set $out (i32.add (local.get $out) (i32.const 16)))
      (br_if $eight (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 32))) (local.get $end)))))
  ;; Estimates $count cosines, writes their buckets to $out and counts them in the histogram at $hist. The records are those
  ;; listed at $list, or, if that is 0, the ones from $first on. $scratch has room for the buckets of a block. $a, $c and $k are
  ;; those of $block.
  (func (export "estimate") (param $list i32) (param $first i32) (param $count i32) (param $base i32) (param $signs i32)
    (param $table i32) (param $out i32) (param $hist i32) (param $scratch i32) (param $a f32) (param $c f32) (param $k f32)
    (local $block i32) (local $from i32) (local $bucket i32) (local $whole i32)
    (local.set $block (i32.const -1))
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $count)))
      (if (local.get $list) (then
        (local.set $first (i32.load (local.get $list)))
        (local.set $list (i32.add (local.get $list) (i32.const 4)))))
      ;; The buckets of a whole block are written where they belong.
      (local.set $whole (i32.and (i32.eqz (local.get $list)) (i32.and (i32.ge_u (local.get $count) (i32.const 16))
        (i32.eqz (i32.and (local.get $first) (i32.const 15))))))
      (if (i32.ne (i32.shr_u (local.get $first) (i32.const 4)) (local.get $block)) (then
        (local.set $block (i32.shr_u (local.get $first) (i32.const 4)))
        (call $block
          (i32.add (local.get $base) (i32.mul (local.get $block)
            (i32.shl (i32.add (local.get $signs) (i32.const 8)) (i32.const 4))))
          (local.get $signs) (local.get $table)
          (select (local.get $out) (local.get $scratch) (local.get $whole))
          (f32x4.splat (local.get $a)) (f32x4.splat (local.get $c)) (f32x4.splat (local.get $k)))))
      (if (local.get $whole) (then
        (local.set $from (i32.add (local.get $out) (i32.const 32)))
        (loop $one
          (local.set $bucket (i32.add (local.get $hist) (i32.shl (i32.load16_u (local.get $out)) (i32.const 2))))
          (i32.store (local.get $bucket) (i32.add (i32.load (local.get $bucket)) (i32.const 1)))
          (br_if $one (i32.lt_u (local.tee $out (i32.add (local.get $out) (i32.const 2))) (local.get $from))))
        (local.set $first (i32.add (local.get $first) (i32.const 16)))
        (local.set $count (i32.sub (local.get $count) (i32.const 16)))
        (br $next)))
      (local.set $bucket (i32.load16_u
        (i32.add (local.get $scratch) (i32.shl (i32.and (local.get $first) (i32.const 15)) (i32.const 1)))))
      (local.set $first (i32.add (local.get $first) (i32.const 1)))
      (i32.store16 (local.get $out) (local.get $bucket))
      (local.set $bucket (i32.add (local.get $hist) (i32.shl (local.get $bucket) (i32.const 2))))
      (i32.store (local.get $bucket) (i32.add (i32.load (local.get $bucket)) (i32.const 1)))
      (local.set $out (i32.add (local.get $out) (i32.const 2)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br $next))))
  ;; Writes to $to the numbers from $from to $end whose bucket is at least $low and below $high. Returns how many. Most are not,
  ;; so eight are looked at together.
  (func (export "collect") (param $from i32) (param $end i32) (param $estimates i32) (param $low i32) (param $high i32)
    (param $to i32) (result i32)
    (local $at i32) (local $lows v128)
    (local.set $at (local.get $to))
    (local.set $lows (i16x8.splat (local.get $low)))
    (local.set $high (i32.sub (local.get $high) (local.get $low)))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $from) (local.get $end)))
      (if (i32.le_u (i32.add (local.get $from) (i32.const 8)) (local.get $end)) (then
        (if (i32.eqz (v128.any_true (i16x8.ge_u
          (v128.load (i32.add (local.get $estimates) (i32.shl (local.get $from) (i32.const 1)))) (local.get $lows))))
        (then
          (local.set $from (i32.add (local.get $from) (i32.const 8)))
          (br $next)))))
      (if (i32.lt_u (i32.sub (i32.load16_u (i32.add (local.get $estimates) (i32.shl (local.get $from) (i32.const 1))))
        (local.get $low)) (local.get $high))
        (then
          (i32.store (local.get $at) (local.get $from))
          (local.set $at (i32.add (local.get $at) (i32.const 4)))))
      (local.set $from (i32.add (local.get $from) (i32.const 1)))
      (br $next)))
    (i32.shr_u (i32.sub (local.get $at) (local.get $to)) (i32.const 2))))
