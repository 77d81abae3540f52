;; Inner products of listed float32 rows with a float64 vector, four rows per pass.
;; Each row: even and odd components summed apart in double precision, then added (dotInOrder of vector-math.ts).
;; Compiled with wabt 1.0.39 and put into dot-kernel.ts as base64: wat2wasm dot-kernel.wat -o dot-kernel.wasm
(module
  (memory (import "m" "memory") 1)
  ;; Reads a number of each cache line of the rows listed from $list to $end, and nothing else: so the processor waits for
  ;; many lines at once instead of one after the other. Of scattered rows it reads the first lines, then the second ones, and so
  ;; on, so that it also looks up the rows' pages at once. Rows beside each other are read as a single one, which is what
  ;; the processor reads ahead. The sum is of no use, but keeps the reading from being left out.
  (func $touch (param $list i32) (param $end i32) (param $stride i32) (result i32)
    (local $line i32) (local $row i32) (local $whole i32) (local $sum i32)
    (local.set $whole (i32.mul (local.get $stride) (i32.shr_u (i32.sub (local.get $end) (local.get $list)) (i32.const 2))))
    (if (i32.eq
        (i32.sub (i32.load (i32.sub (local.get $end) (i32.const 4))) (i32.load (local.get $list)))
        (i32.sub (local.get $whole) (local.get $stride)))
      (then
        (local.set $stride (local.get $whole))
        (local.set $end (i32.add (local.get $list) (i32.const 4)))))
    (loop $lines
      (local.set $row (local.get $list))
      (loop $rows
        (local.set $sum (i32.add (local.get $sum)
          (i32.load (i32.add (local.get $line) (i32.load (local.get $row))))))
        (br_if $rows (i32.lt_u (local.tee $row (i32.add (local.get $row) (i32.const 4))) (local.get $end))))
      (br_if $lines (i32.lt_u (local.tee $line (i32.add (local.get $line) (i32.const 64))) (local.get $stride))))
    (local.get $sum))
  ;; $list, $unit, $out are byte offsets, as are the numbers in the list; $count is rounded up to a multiple of 4, and as many
  ;; rows must be listed; $stride, the bytes of a row, must be a multiple of 8. So many rows as $together are touched before
  ;; they are multiplied; 0 for none.
  (func (export "scores") (param $list i32) (param $count i32) (param $stride i32) (param $unit i32) (param $out i32)
    (param $together i32) (result i32)
    (local $end i32) (local $q i32) (local $touched i32) (local $sum i32)
    (local $a i32) (local $b i32) (local $c i32) (local $d i32)
    (local $s0 v128) (local $s1 v128) (local $s2 v128) (local $s3 v128) (local $x v128)
    (block $done (loop $next
      (br_if $done (i32.le_s (local.get $count) (i32.const 0)))
      (if (i32.and (i32.le_s (local.get $touched) (i32.const 0)) (i32.gt_s (local.get $together) (i32.const 0))) (then
        (local.set $touched (local.get $together))
        (local.set $sum (i32.add (local.get $sum) (call $touch
          (local.get $list)
          (i32.add (local.get $list) (i32.shl
            (select (local.get $count) (local.get $together) (i32.lt_s (local.get $count) (local.get $together)))
            (i32.const 2)))
          (local.get $stride))))))
      (local.set $touched (i32.sub (local.get $touched) (i32.const 4)))
      (local.set $a (i32.load (local.get $list)))
      (local.set $b (i32.load offset=4 (local.get $list)))
      (local.set $c (i32.load offset=8 (local.get $list)))
      (local.set $d (i32.load offset=12 (local.get $list)))
      (local.set $end (i32.add (local.get $a) (local.get $stride)))
      (local.set $q (local.get $unit))
      (local.set $s0 (v128.const i64x2 0 0))
      (local.set $s1 (v128.const i64x2 0 0))
      (local.set $s2 (v128.const i64x2 0 0))
      (local.set $s3 (v128.const i64x2 0 0))
      (loop $inner
        (local.set $x (v128.load (local.get $q)))
        (local.set $s0 (f64x2.add (local.get $s0) (f64x2.mul (local.get $x) (f64x2.promote_low_f32x4 (v128.load64_zero (local.get $a))))))
        (local.set $s1 (f64x2.add (local.get $s1) (f64x2.mul (local.get $x) (f64x2.promote_low_f32x4 (v128.load64_zero (local.get $b))))))
        (local.set $s2 (f64x2.add (local.get $s2) (f64x2.mul (local.get $x) (f64x2.promote_low_f32x4 (v128.load64_zero (local.get $c))))))
        (local.set $s3 (f64x2.add (local.get $s3) (f64x2.mul (local.get $x) (f64x2.promote_low_f32x4 (v128.load64_zero (local.get $d))))))
        (local.set $q (i32.add (local.get $q) (i32.const 16)))
        (local.set $b (i32.add (local.get $b) (i32.const 8)))
        (local.set $c (i32.add (local.get $c) (i32.const 8)))
        (local.set $d (i32.add (local.get $d) (i32.const 8)))
        (br_if $inner (i32.lt_u (local.tee $a (i32.add (local.get $a) (i32.const 8))) (local.get $end))))
      (f64.store (local.get $out) (f64.add (f64x2.extract_lane 0 (local.get $s0)) (f64x2.extract_lane 1 (local.get $s0))))
      (f64.store offset=8 (local.get $out) (f64.add (f64x2.extract_lane 0 (local.get $s1)) (f64x2.extract_lane 1 (local.get $s1))))
      (f64.store offset=16 (local.get $out) (f64.add (f64x2.extract_lane 0 (local.get $s2)) (f64x2.extract_lane 1 (local.get $s2))))
      (f64.store offset=24 (local.get $out) (f64.add (f64x2.extract_lane 0 (local.get $s3)) (f64x2.extract_lane 1 (local.get $s3))))
      (local.set $out (i32.add (local.get $out) (i32.const 32)))
      (local.set $list (i32.add (local.get $list) (i32.const 16)))
      (local.set $count (i32.sub (local.get $count) (i32.const 4)))
      (br $next)))
    (local.get $sum)))
