// Walks the trees of a bundle: see training's compact_trees.py for what they are.
//
// An answer is thousands of steps from node to node, most of them to the next one, and each that jumps
// waits for memory. So several nodes in a row are asked at once; and some walks are under way at a
// time, all through one tree before the next, for so few rows that their ranks stay in the cache.
// Built without a C library: compile.sh.
#include <stdint.h>

enum { WALKS = 32, BLOCK_ROWS = 32, AHEAD = 8 };

// A row whose rank in the column is at least `least` goes `jump` nodes on. A leaf has the jump
// -1 - (its number) and takes every rank. AHEAD - 1 nodes more than there are can be read.
typedef struct {
    uint16_t column, least;
    int32_t jump;
} Node;

typedef uint16_t Ranks __attribute__((vector_size(2 * AHEAD)));
typedef uint8_t Marks __attribute__((vector_size(AHEAD)));

typedef struct {
    const Node *nodes;
    const int32_t *roots;
    const int32_t *first_sums;
    const double *leaf_values;
    const double *thresholds;
    const int32_t *threshold_starts;
    const int32_t *sources;
    const uint8_t *missing_over;
    const uint16_t *zero_ranks; // of a row of zeros
    double divisor;
    int32_t trees, width, sums, columns;
} Trees;

typedef struct {
    const Node *node;
    const uint16_t *ranks;
    int32_t *leaf;
} Walk;

// How many thresholds of the column lie below the value.
static uint16_t rank(const Trees *trees, int64_t column, double value) {
    const double *first = trees->thresholds + trees->threshold_starts[column];
    int32_t low = 0, high = trees->threshold_starts[column + 1] - trees->threshold_starts[column];
    if (value != value) return (uint16_t)(trees->missing_over[column] ? high : 0);
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (first[middle] < value) low = middle + 1;
        else high = middle;
    }
    return (uint16_t)low;
}

// How many of the next nodes, AHEAD at most, the row passes before one that makes it jump.
static int passed(const Node *node, const uint16_t *ranks) {
    Ranks own, least;
    for (int i = 0; i < AHEAD; i++) own[i] = ranks[node[i].column], least[i] = node[i].least;
    union {
        Marks each;
        uint64_t all;
    } jumping = {__builtin_convertvector((Ranks)(own >= least), Marks)};
    return jumping.all ? __builtin_ctzll(jumping.all) / 8 : AHEAD;
}

// ranks (rows, columns) → leaves (rows, trees)
static void walk(const Trees *trees, const uint16_t *ranks, int64_t rows, int32_t *leaves) {
    Walk walks[WALKS];
    int64_t row = 0, tree = 0;
    int busy = 0;
    for (;;) {
        while (busy < WALKS && tree < trees->trees) {
            walks[busy++] = (Walk){trees->nodes + trees->roots[tree], ranks + row * trees->columns,
                                   leaves + row * trees->trees + tree};
            if (++row == rows) row = 0, tree++;
        }
        if (busy == 0) return;
        for (int i = 0; i < busy; i++) {
            int steps = passed(walks[i].node, walks[i].ranks);
            const Node *node = walks[i].node + steps;
            int32_t jump = node->jump, jumps = steps < AHEAD;
            // One branch, that is mostly taken: any other would be guessed wrongly half of the time.
            if (!(jumps & (jump < 0))) {
                walks[i].node = node + (-jumps & jump);
                __builtin_prefetch(walks[i].node);
                continue;
            }
            *walks[i].leaf = -1 - jump;
            if (tree < trees->trees) {
                walks[i] = (Walk){trees->nodes + trees->roots[tree], ranks + row * trees->columns,
                                  leaves + row * trees->trees + tree};
                if (++row == rows) row = 0, tree++;
            } else
                walks[i--] = walks[--busy];
        }
    }
}

static void add_up(const Trees *trees, const int32_t *leaves, int64_t rows, double *sums) {
    for (int64_t row = 0; row < rows; row++, sums += trees->sums) {
        for (int32_t i = 0; i < trees->sums; i++) sums[i] = 0;
        for (int32_t tree = 0; tree < trees->trees; tree++) {
            const double *values = trees->leaf_values + (int64_t)*leaves++ * trees->width;
            double *own = sums + trees->first_sums[tree];
            for (int32_t i = 0; i < trees->width; i++) own[i] += values[i];
        }
        for (int32_t i = 0; i < trees->sums; i++) sums[i] /= trees->divisor;
    }
}

// features (rows, features) → sums (rows, sums). `ranks` has room for BLOCK_ROWS * columns, and
// `leaves` for BLOCK_ROWS * trees. Returns 0.
int answer_features(const Trees *trees, const float *features, int64_t rows, int64_t count,
                    uint16_t *ranks, int32_t *leaves, double *sums) {
    for (int64_t start = 0; start < rows; start += BLOCK_ROWS) {
        int64_t some = rows - start < BLOCK_ROWS ? rows - start : BLOCK_ROWS;
        for (int64_t row = 0; row < some; row++)
            for (int64_t column = 0; column < trees->columns; column++)
                ranks[row * trees->columns + column] =
                    rank(trees, column, features[(start + row) * count + trees->sources[column]]);
        walk(trees, ranks, some, leaves);
        add_up(trees, leaves, some, sums + start * trees->sums);
    }
    return 0;
}

// The same for rows of which is given what stands where: positions and values (rows, count). Values
// of one position are added up; all else is zero. `present` has room for `columns` zeros.
// Returns 0, or 1 for a position that is none.
int answer_positions(const Trees *trees, const int64_t *positions, const float *values, int64_t rows,
                     int64_t count, float *present, uint16_t *ranks, int32_t *leaves, double *sums) {
    for (int64_t i = 0; i < rows * count; i++)
        if (positions[i] < 0 || positions[i] >= trees->columns) return 1;
    for (int64_t start = 0; start < rows; start += BLOCK_ROWS) {
        int64_t some = rows - start < BLOCK_ROWS ? rows - start : BLOCK_ROWS;
        for (int64_t row = 0; row < some; row++) {
            const int64_t *where = positions + (start + row) * count;
            const float *what = values + (start + row) * count;
            uint16_t *own = ranks + row * trees->columns;
            for (int32_t column = 0; column < trees->columns; column++) own[column] = trees->zero_ranks[column];
            for (int64_t i = 0; i < count; i++) present[where[i]] += what[i];
            for (int64_t i = 0; i < count; i++) own[where[i]] = rank(trees, where[i], present[where[i]]);
            for (int64_t i = 0; i < count; i++) present[where[i]] = 0;
        }
        walk(trees, ranks, some, leaves);
        add_up(trees, leaves, some, sums + start * trees->sums);
    }
    return 0;
}
