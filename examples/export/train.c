/* Trains the network of digits_library.py from random values, in C alone.
 *
 *     train digits.bin [state.safetensors]
 *
 * Prints each loss, its bits first, and how many test images are read right; stores what was learned. */
#include "libdigits.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, STEPS = 200, TEST = 360, PIXELS = 64 };

static void check(int code) {
    if (code) {
        fprintf(stderr, "%s\n", digits_strerror(code));
        exit(1);
    }
}

int main(int count, char **words) {
    FILE *file = count > 1 ? fopen(words[1], "rb") : NULL;
    int64_t images = 0;
    if (!file || fread(&images, sizeof images, 1, file) != 1 || images < TEST + BATCH) {
        fprintf(stderr, "usage: train digits.bin [state.safetensors]\n");
        return 2;
    }
    float *x = malloc((size_t)images * PIXELS * sizeof *x);
    int64_t *y = malloc((size_t)images * sizeof *y), *guesses = malloc(TEST * sizeof *guesses);
    if (!x || !y || !guesses || fread(x, PIXELS * sizeof *x, (size_t)images, file) != (size_t)images ||
        fread(y, sizeof *y, (size_t)images, file) != (size_t)images)
        return 2;
    fclose(file);

    int64_t bytes = digits_train_arena_size(BATCH), other = digits_predict_arena_size(TEST);
    bytes = other > bytes ? other : bytes;
    void *arena = malloc((size_t)bytes);
    digits_state *state = malloc((size_t)digits_state_size());
    check(digits_arena_init(arena, bytes));
    check(digits_init(state));

    int64_t batches = (images - TEST) / BATCH;
    for (int64_t step = 0; step < STEPS; step++) {
        int64_t at = step % batches * BATCH;
        float loss;
        uint32_t bits;
        check(digits_train(state, arena, x + at * PIXELS, y + at, BATCH, &loss));
        memcpy(&bits, &loss, sizeof bits);
        printf("%d %08x %.6f\n", (int)step, (unsigned)bits, loss);
    }
    int right = 0;
    check(digits_predict(state, arena, x + (images - TEST) * PIXELS, TEST, guesses));
    for (int k = 0; k < TEST; k++)
        right += guesses[k] == y[images - TEST + k];
    printf("%d of %d images are read right\n", right, TEST);
    if (count > 2)
        check(digits_save(state, words[2]));
    free(arena);
    free(state);
    free(x);
    free(y);
    free(guesses);
    return 0;
}
