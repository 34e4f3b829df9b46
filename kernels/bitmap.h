/*
 * Walking the set bits of a bitmap, most significant first, up to 32 at a time.
 */
#ifndef BITMAP_H
#define BITMAP_H

#include <stdint.h>

/* The first min(bytes, 4) bytes of a bitmap from the top, then zeros. Reads four bytes in any case. */
static inline uint32_t bitmap_word(const uint8_t *at, int32_t bytes)
{
    const uint32_t word = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    return bytes < 4 ? word & ~(0xFFFFFFFFu >> (8 * bytes)) : word;
}

/* How many zeros stand before the first set bit of a word that has one. */
static inline int32_t leading_zeros(uint32_t word)
{
#if defined(__GNUC__)
    return __builtin_clz(word);
#else
    int32_t zeros = 0;
    for (; !(word & 0x80000000u); word <<= 1) {
        zeros++;
    }
    return zeros;
#endif
}

#endif
