;; Inner products of a vector with many rows of bytes. See row-kernel.ts for the layout of the memory.
;; Compiled with wabt 1.0.39 and put into row-kernel.ts as base64: wat2wasm row-kernel.wat -o row-kernel.wasm
(module
  (memory (import "m" "memory") 1)
  ;; Multiplies the vector at $vector (16-bit numbers) with $count rows at $rows (bytes), each $width long, a multiple of 16,
  ;; and writes the sums to $out (32-bit numbers).
  (func (export "products") (param $rows i32) (param $count i32) (param $width i32) (param $vector i32) (param $out i32)
    (local $end i32) (local $v i32) (local $x v128) (local $sum v128)
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $count)))
      (local.set $end (i32.add (local.get $rows) (local.get $width)))
      (local.set $v (local.get $vector))
      (local.set $sum (v128.const i32x4 0 0 0 0))
      (loop $part
        (local.set $x (v128.load (local.get $rows)))
        (local.set $sum (i32x4.add (local.get $sum) (i32x4.add
          (i32x4.dot_i16x8_s (i16x8.extend_low_i8x16_s (local.get $x)) (v128.load (local.get $v)))
          (i32x4.dot_i16x8_s (i16x8.extend_high_i8x16_s (local.get $x)) (v128.load offset=16 (local.get $v))))))
        (local.set $v (i32.add (local.get $v) (i32.const 32)))
        (br_if $part (i32.lt_u (local.tee $rows (i32.add (local.get $rows) (i32.const 16))) (local.get $end))))
      (i32.store (local.get $out) (i32.add
        (i32.add (i32x4.extract_lane 0 (local.get $sum)) (i32x4.extract_lane 1 (local.get $sum)))
        (i32.add (i32x4.extract_lane 2 (local.get $sum)) (i32x4.extract_lane 3 (local.get $sum)))))
      (local.set $out (i32.add (local.get $out) (i32.const 4)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br $next)))))
