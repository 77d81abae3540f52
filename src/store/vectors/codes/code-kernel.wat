;; Estimates of cosines from sign codes. See code-kernel.ts for the layout of the memory.
;; A record: $words 64-bit words of signs, then two float32, $factor and $offset of the slot.
;; Compiled with wabt 1.0.39 and put into code-kernel.ts as base64: wat2wasm code-kernel.wat -o code-kernel.wasm
(module
  (memory (import "m" "memory") 1)
  ;; Estimates $count cosines, writes to $out the bucket (of 4096 over -2 to 2) that each falls into, as 16 bits, and counts
  ;; them in the histogram at $hist. The records are those listed at $list, or, if that is 0, the ones from $first on.
  (func (export "estimate") (param $list i32) (param $first i32) (param $count i32) (param $base i32) (param $stride i32)
    (param $words i32) (param $planes i32) (param $out i32) (param $hist i32) (param $a f32) (param $b f32) (param $c f32)
    (param $k f32)
    (local $p i32) (local $q i32) (local $end i32) (local $bucket i32) (local $x i64)
    (local $n i64) (local $s0 i64) (local $s1 i64) (local $s2 i64) (local $s3 i64)
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $count)))
      (if (local.get $list) (then
        (local.set $first (i32.load (local.get $list)))
        (local.set $list (i32.add (local.get $list) (i32.const 4)))))
      (local.set $p (i32.add (local.get $base) (i32.mul (local.get $first) (local.get $stride))))
      (local.set $first (i32.add (local.get $first) (i32.const 1)))
      (local.set $end (i32.add (local.get $p) (i32.shl (local.get $words) (i32.const 3))))
      (local.set $q (local.get $planes))
      (local.set $n (i64.const 0))
      (local.set $s0 (i64.const 0))
      (local.set $s1 (i64.const 0))
      (local.set $s2 (i64.const 0))
      (local.set $s3 (i64.const 0))
      (loop $word
        (local.set $x (i64.load (local.get $p)))
        (local.set $n (i64.add (local.get $n) (i64.popcnt (local.get $x))))
        (local.set $s0 (i64.add (local.get $s0) (i64.popcnt (i64.and (local.get $x) (i64.load (local.get $q))))))
        (local.set $s1 (i64.add (local.get $s1) (i64.popcnt (i64.and (local.get $x) (i64.load offset=8 (local.get $q))))))
        (local.set $s2 (i64.add (local.get $s2) (i64.popcnt (i64.and (local.get $x) (i64.load offset=16 (local.get $q))))))
        (local.set $s3 (i64.add (local.get $s3) (i64.popcnt (i64.and (local.get $x) (i64.load offset=24 (local.get $q))))))
        (local.set $q (i32.add (local.get $q) (i32.const 32)))
        (br_if $word (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 8))) (local.get $end))))
      (local.set $s0 (i64.add (i64.add (local.get $s0) (i64.shl (local.get $s1) (i64.const 1)))
        (i64.add (i64.shl (local.get $s2) (i64.const 2)) (i64.shl (local.get $s3) (i64.const 3)))))
      (local.set $bucket (i32.trunc_sat_f32_s (f32.mul (f32.const 1024) (f32.add (f32.const 2)
        (f32.add (f32.add (local.get $k) (f32.load offset=4 (local.get $p)))
        (f32.mul (f32.load (local.get $p))
          (f32.add (local.get $c) (f32.add
            (f32.mul (local.get $a) (f32.convert_i32_s (i32.wrap_i64 (local.get $s0))))
            (f32.mul (local.get $b) (f32.convert_i32_s (i32.wrap_i64 (local.get $n))))))))))))
      (if (i32.lt_s (local.get $bucket) (i32.const 0)) (then (local.set $bucket (i32.const 0))))
      (if (i32.gt_s (local.get $bucket) (i32.const 4095)) (then (local.set $bucket (i32.const 4095))))
      (i32.store16 (local.get $out) (local.get $bucket))
      (local.set $bucket (i32.add (local.get $hist) (i32.shl (local.get $bucket) (i32.const 2))))
      (i32.store (local.get $bucket) (i32.add (i32.load (local.get $bucket)) (i32.const 1)))
      (local.set $out (i32.add (local.get $out) (i32.const 2)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br $next))))
  ;; Writes to $to the numbers from $from to $end whose bucket is at least $low and below $high. Returns how many.
  (func (export "collect") (param $from i32) (param $end i32) (param $estimates i32) (param $low i32) (param $high i32)
    (param $to i32) (result i32)
    (local $at i32)
    (local.set $at (local.get $to))
    (local.set $high (i32.sub (local.get $high) (local.get $low)))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $from) (local.get $end)))
      (if (i32.lt_u (i32.sub (i32.load16_u (i32.add (local.get $estimates) (i32.shl (local.get $from) (i32.const 1))))
        (local.get $low)) (local.get $high))
        (then
          (i32.store (local.get $at) (local.get $from))
          (local.set $at (i32.add (local.get $at) (i32.const 4)))))
      (local.set $from (i32.add (local.get $from) (i32.const 1)))
      (br $next)))
    (i32.shr_u (i32.sub (local.get $at) (local.get $to)) (i32.const 2))))
