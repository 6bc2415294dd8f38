/* SPDX-License-Identifier: MIT OR Apache-2.0
 * What Rust's standard library wants of bcryptprimitives.dll, which Wine has since version 8.5 only. For tests. */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(void *buffer, ULONG size); /* RtlGenRandom */

__declspec(dllexport) BOOL WINAPI ProcessPrng(BYTE *data, SIZE_T size) {
  for (; size > 0x10000; data += 0x10000, size -= 0x10000)
    SystemFunction036(data, 0x10000);
  return SystemFunction036(data, (ULONG)size);
}
