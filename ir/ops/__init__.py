"""Part of weft.ir.ops."""
